import Foundation
import TestSupport
import Testing
import TokenIssuer
import TokenVault
import VaultAudit
import VaultCore
import VaultCustody

/// Two names are one where NFKC(casefold(NFKC(name))) is the same.
@Suite(.bounded) struct `User names: one person, one name` {
    /// Mostly examples of the Unicode Standard: sections 3.13 and 5.18, UAX 15 and 21.
    @Test(arguments: [
        ("Straße", "STRASSE"), ("ẞ", "ss"), ("ａｌｉｃｅ", "ALICE"), ("ΣΊΣΥΦΟΣ", "Σίσυφος"), ("ς", "σ"),
        ("e\u{301}", "É"), ("\u{1E9B}\u{323}", "ṩ"), ("ﬁnd", "FIND"), ("ﬃ", "ffi"), ("K", "k"), ("Å", "å"),
        ("İ", "i\u{307}"), ("Ꭰ", "ꭰ"), ("Ᏸ", "ᏸ"), ("Ⅷ", "viii"), ("ｶﾞ", "ガ"), ("ſ", "S"),
        ("ΰ", "Υ\u{308}\u{301}"),
        ("ǆ", "ǅ"), ("ŉ", "ʼN"), ("각", "\u{1100}\u{1161}\u{11A8}"), ("Ａ\u{30A}", "å"), ("\u{AA}", "A"),
    ])
    func `one name`(_ one: String, _ other: String) {
        #expect(UserName.folded(one) == UserName.folded(other))
    }

    /// Not those that only look alike, nor those that are one in some languages.
    @Test(arguments: [
        ("ı", "i"), ("ısı", "isi"), ("e", "é"), ("ø", "o"), ("а", "a"), ("Ꭺ", "A"), ("ae", "æ"),
        ("alice", "a1ice"),
        ("alice", "alice "), ("ü", "ue"), ("ヵ", "カ"), ("がが", "かか"), ("i", "İ"),
    ])
    func `two names`(_ one: String, _ other: String) {
        #expect(UserName.folded(one) != UserName.folded(other))
    }

    @Test func `folding what was folded changes nothing, whatever the character`() {
        var unstable: [UInt32] = []
        for value in UInt32(0x80)...0x1FFFF {
            guard let scalar = Unicode.Scalar(value) else { continue }
            let once = UserName.folded(String(scalar))
            if UserName.folded(String(decoding: once, as: UTF8.self)) != once { unstable.append(value) }
        }
        #expect(unstable.isEmpty)
    }

    /// From Python: `normalize("NFKC", normalize("NFKC", name).casefold())`.
    @Test(arguments: [
        ("Straße", "73747261737365"), ("ꭰᎠ", "e18ea0e18ea0"), ("İstanbul ı", "69cc877374616e62756c20c4b1"),
        ("ﷺ", "d8b5d984d98920d8a7d984d984d98720d8b9d984d98ad98720d988d8b3d984d985"),
    ])
    func `a second implementation gives the same`(_ name: String, _ folded: String) {
        #expect(Hex.encode(UserName.folded(name)) == folded)
    }

    /// Foundation composes the first of each pair to the second: it reads U+20041 as U+0041.
    @Test func `a character beyond U+FFFF is not taken for another`() {
        #expect(UserName.folded("\u{20041}\u{301}") != UserName.folded("Á"))
        #expect(UserName.folded("\u{1042B}\u{308}") != UserName.folded("Ӹ"))
        #expect(throws: VaultError(.invalidInput, "")) { try UserName("\u{20041}\u{301}") }
    }

    @Test(arguments: [
        "", " alice", "alice ", "alice\u{A0}", "\u{3000}alice", "alice\n", "a\u{0}b", "\u{A8}a",
        "a\u{200B}lice",
        "a\u{200D}lice", "\u{202E}ecila", "\u{2066}alice", "\u{FEFF}alice", "a\u{AD}lice", "\u{3164}",
        "a\u{FE0F}",
        "\u{E000}", "\u{10FFFD}", "\u{378}", "\u{FFFF}", "a\u{2028}b", "\u{E0041}alice",
        String(repeating: "é", count: 129),
        String(repeating: "ﷺ", count: 8),
    ])
    func `what cannot be seen or told apart is no name`(_ name: String) throws {
        do {
            _ = try UserName(name)
            Issue.record("\(name.debugDescription) was taken")
        } catch {
            #expect(error.code == .invalidInput)
            #expect(name.count < 3 || !error.message.contains(name), "a refusal does not repeat the name")
        }
    }

    @Test(arguments: [
        "аlice", "pаypal", "αlice", "Ꭺlice", "アlice", "한ひ", "ㄅア", "мarket", "µTorrent", "иван@example.com",
        "𐌰𐌱",
    ])
    func `scripts are not mixed`(_ name: String) {
        #expect(throws: VaultError(.invalidInput, "")) { try UserName(name) }
    }

    @Test(arguments: [
        "alice", "O'Brien-Żółć 2", "user@example.com", "Алиса", "Γιώργος", "日本語ひらカナー", "한국漢字", "ㄅ漢字", "मोहन",
        "مریم-۲",
        "สมชาย", "Ꭰꭰ", "🙂 bob", "42", "-x", "_", "Ⅷ",
    ])
    func `a name of one script is kept as it was given`(_ name: String) throws {
        #expect(try UserName(name).shown == name)
    }
}

@Suite(.bounded) struct `Users are found by every spelling of their name` {
    @Test func `kept as given, found by another, and not added twice`() async throws {
        let test = try await TestVault()
        let added = try await test.vault.users.add("Zoe\u{308} Straße")
        #expect(Array(added.name.utf8) == Array("Zoë Straße".utf8), "in NFC")
        for name in ["zoë strasse", "ZOË STRASSE", "Zoë Straße", "Ｚｏë Straße"] {
            #expect(try await test.vault.users.find(name).id == added.id)
            #expect(try await test.vault.users.find(name).name == "Zoë Straße")
            await #expect(throws: VaultError(.alreadyExists, "")) { try await test.vault.users.add(name) }
        }
        #expect(try await test.vault.users.disable("ZOË STRASSE").name == "Zoë Straße")
        await #expect(throws: VaultError(.invalidInput, "")) {
            try await test.vault.users.add("zoë\u{200B} strasse")
        }
        await #expect(throws: VaultError(.notFound, "")) {
            try await test.vault.users.find("zoë\u{200B} strasse")
        }
        #expect(try await test.vault.users.list().count == 1)
    }

    @Test func `by sign-in, filter, removal and erasure`() async throws {
        let test = try await TestVault()
        let user = try await test.vault.users.add("Alice")
        let password = SecretBytes(copying: "correct horse battery")
        try await test.vault.users.setPassword(password, of: "ALICE")
        #expect(try await test.vault.users.signIn("alice", password: password)?.id == user.id)
        #expect(try await test.vault.users.signIn("аlice", password: password) == nil, "Cyrillic а")
        _ = try await test.vault.log.filter(user: "aLICE")
        try await test.vault.users.remove("alice")
        await #expect(throws: VaultError(.notFound, "")) { try await test.vault.users.find("Alice") }
        let second = try await test.vault.users.add("ALICE")
        #expect(second.id != user.id && second.name == "ALICE")
        try await test.vault.users.remove("ALICE")
        for _ in 0..<2 { _ = try await test.vault.users.erase("alicE") }
        await #expect(throws: VaultError(.notFound, "")) { try await test.vault.users.erase("alice") }
    }

    @Test func `after a rotation of the lookup key too, while clients' names and identifiers stay exact`()
        async throws
    {
        let test = try await TestVault()
        let party = try await Party(test.vault, "App", user: "Alice")
        _ = try await test.vault.keys.rotate(.lookup)
        #expect(try await test.vault.users.find("ALICE").id == party.user.id)
        #expect(try await test.vault.clients.find("App").id == party.client.id)
        await #expect(throws: VaultError(.notFound, "")) { try await test.vault.clients.find("app") }
    }

    /// A person types them, and a command reads what begins with a dash as an option.
    @Test func `no generated client identifier begins with a dash or an underscore`() async throws {
        let test = try await TestVault()
        for number in 0..<200 {
            var registration = ClientRegistration(name: "app \(number)")
            registration.redirectURIs = [Party.redirectURI]
            let client = try await test.vault.clients.add(registration).client
            #expect(!client.clientID.hasPrefix("-") && !client.clientID.hasPrefix("_"))
        }
    }
}
