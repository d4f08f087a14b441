import TestSupport
import Testing
import VaultCore
@_spi(ChosenNonce) import VaultCrypto

@Suite struct `Section 4: token handles` {
    private let sealer: HandleSealer
    private let handle: TokenHandle

    init() throws {
        sealer = try HandleSealer(vault: Chosen.vault(), keys: [1: Chosen.key("handles")], current: 1)
        handle = Self.handle(.refreshToken)
    }

    @Test(arguments: TokenKind.allCases)
    func `a token is 110 characters that open to its handle`(_ kind: TokenKind) throws {
        let handle = Self.handle(kind)
        let token = sealer.seal(handle)
        #expect(token.text.count == 110 && token.text.hasPrefix(kind.prefix))
        #expect(sealer.open(token, as: kind) == handle)
        for other in TokenKind.allCases where other != kind {
            #expect(sealer.open(token, as: other) == nil)
            let relabelled = SecretBytes(copying: other.prefix + token.text.dropFirst(6))
            #expect(sealer.open(relabelled, as: other) == nil)
        }
    }

    @Test(
        arguments: [
            (1_790_000_040_000, 1_790_000_100_000, 29_833_334, 29_833_335),
            (1_790_000_099_999, 1_790_000_100_001, 29_833_334, 29_833_336),
            (-5, 0, 0, 0), (Int64.min, Int64.max, 0, Int64(UInt32.max)),
            // An end before the issue, as a clock that is set gives it, is the issue.
            (1_790_000_040_000, 1_700_000_000_000, 29_833_334, 29_833_334),
        ] as [(Int64, Int64, Int64, Int64)])
    func `times are minutes, the issue rounded down and the end rounded up`(
        _ issuedAt: Int64, _ endsAt: Int64, _ issued: Int64, _ ends: Int64
    ) {
        let handle = TokenHandle(
            kind: .accessToken, grant: GrantID(1), generation: 1,
            familySecret: [UInt8](repeating: 0, count: 16),
            from: VaultInstant(millisecondsSince1970: issuedAt),
            until: VaultInstant(millisecondsSince1970: endsAt))
        #expect(Int64(handle.issued) == issued && Int64(handle.ends) == ends)
        #expect(handle.endsAt.millisecondsSince1970 == ends * 60_000)
        #expect(sealer.open(sealer.seal(handle), as: .accessToken) == handle)
    }

    @Test
    func
        `an authentic handle with a reserved octet that is not zero, or an end before its issue, is refused`()
    {
        for octet in UInt8(1)...255 {
            let token = sealer.seal(handle, nonce: nil, reserved: octet)
            #expect(sealer.open(token, as: .refreshToken) == nil, "\(octet)")
        }
        for (issued, ends) in [(1, 0), (UInt32.max, 0), (29_833_334, 29_833_333)] as [(UInt32, UInt32)] {
            let backwards = TokenHandle(
                kind: .refreshToken, grant: handle.grant, generation: handle.generation,
                familySecret: handle.familySecret, issued: issued, ends: ends)
            #expect(sealer.open(sealer.seal(backwards), as: .refreshToken) == nil)
        }
    }

    @Test func `two tokens of one handle are unlike`() {
        let tokens = Set((0..<1000).map { _ in sealer.seal(handle).text })
        #expect(tokens.count == 1000)
    }

    @Test func `a token with any character changed is refused`() {
        let text = sealer.seal(handle).exposed
        var generator = SeededGenerator("TokenHandleTests")
        let seed = generator.seed
        for index in text.indices {
            for _ in 0..<4 {
                var edited = text
                edited[index] = UInt8.random(in: 0...255, using: &generator)
                guard edited != text else { continue }
                #expect(
                    sealer.open(SecretBytes(edited), as: .refreshToken) == nil, "seed \(seed), byte \(index)")
            }
        }
    }

    @Test func `an octet outside ASCII stands for no character`() throws {
        let tokens = (0..<64).map { _ in sealer.seal(handle).exposed }
        let token = try #require(tokens.first { $0.dropFirst(6).contains(UInt8(ascii: "_")) })
        let index = try #require(token.dropFirst(6).firstIndex(of: UInt8(ascii: "_")))
        for octet in UInt8(0x80)...0xFF {
            var edited = token
            edited[index] = octet
            #expect(sealer.open(SecretBytes(edited), as: .refreshToken) == nil, "\(octet)")
        }
    }

    @Test func `octets of any length and content are refused`() {
        var generator = SeededGenerator("TokenHandleTests")
        let seed = generator.seed
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)
        for round in 0..<2000 {
            let noise = generator.bytes(Int.random(in: 0...600, using: &generator))
            let spelled =
                Array("tv_rt_".utf8) + (0..<104).map { _ in alphabet.randomElement(using: &generator) ?? 65 }
            let token = SecretBytes(round.isMultiple(of: 2) ? noise : spelled)
            #expect(sealer.open(token, as: .refreshToken) == nil, "seed \(seed), round \(round)")
        }
    }

    @Test func `every known key opens, the current one makes`() throws {
        let old = try Chosen.key("handles")
        let rotated = try HandleSealer(
            vault: Chosen.vault(), keys: [1: old, 2: Chosen.key("new")], current: 2)
        let retired = try HandleSealer(vault: Chosen.vault(), keys: [2: Chosen.key("new")], current: 2)
        let oldToken = sealer.seal(handle)
        let newToken = rotated.seal(handle)
        #expect(rotated.open(oldToken, as: .refreshToken) == handle)
        #expect(rotated.open(newToken, as: .refreshToken) == handle)
        #expect(retired.open(oldToken, as: .refreshToken) == nil)
        #expect(sealer.open(newToken, as: .refreshToken) == nil)
    }

    @Test func `a token of another vault is refused, even under the same key`() throws {
        let other = try HandleSealer(
            vault: Chosen.vault("another"), keys: [1: Chosen.key("handles")], current: 1)
        #expect(other.open(sealer.seal(handle), as: .refreshToken) == nil)
    }

    @Test func `a current key that is not there is refused`() {
        let code = refusal {
            _ = try HandleSealer(vault: Chosen.vault(), keys: [1: Chosen.key("handles")], current: 2)
        }
        #expect(code == .invalidInput)
    }

    @Test func `neither a token nor its handle prints a secret`() {
        let token = sealer.seal(handle)
        #expect("\(token)" == "<redacted>")
        var printed = "\(handle)"
        dump(handle, to: &printed)
        #expect(printed.contains("generation 9"))
        #expect(!printed.contains("familySecret") && !printed.contains("171"))
    }

    private static func handle(_ kind: TokenKind) -> TokenHandle {
        TokenHandle(
            kind: kind, grant: GrantID(77), generation: 9, familySecret: [UInt8](repeating: 171, count: 16),
            issued: 29_833_333, ends: 29_876_534)
    }
}
