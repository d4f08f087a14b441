import Foundation
import Testing
import VaultCore
import VaultCrypto

@Suite struct `Section 4: tags, fingerprints and client secrets` {
    private let tagKey: TagKey

    init() throws {
        tagKey = TagKey(id: 4, key: try Chosen.key("tags"))
    }

    @Test func `equal values have equal tags, within one purpose and key`() throws {
        let other = TagKey(id: 4, key: try Chosen.key("other tags"))
        let value = Array("alice".utf8)
        let tag = tagKey.tag(.userName, of: value)
        #expect(tag.count == 16 && tagKey.id == 4)
        #expect(tagKey.tag(.userName, of: value) == tag)
        #expect(tagKey.tag(.userName, of: SecretBytes(value)) == tag)
        #expect(tagKey.tag(.userName, of: Array("alicf".utf8)) != tag)
        #expect(other.tag(.userName, of: value) != tag)
    }

    @Test func `one value has another tag for every purpose`() {
        let purposes: [TagPurpose] = [
            .token, .familySecret, .clientSecret, .userName, .clientID, .clientName,
        ]
        let value = Array("value".utf8)
        #expect(Set(purposes.map { tagKey.tag($0, of: value) }).count == purposes.count)
        #expect(purposes.allSatisfy { $0.rawValue.utf8.count <= 16 })
    }

    @Test func `a row tag changes with every byte of the row`() {
        let row = Chosen.bytes("row", 200)
        let tag = row.withUnsafeBytes(tagKey.rowTag)
        #expect(tag.count == 32)
        func isTag(_ tag: [UInt8], of row: [UInt8]) -> Bool {
            tag.withUnsafeBytes { tag in row.withUnsafeBytes { tagKey.isRowTag(tag, over: $0) } }
        }
        #expect(isTag(tag, of: row))
        for index in row.indices { #expect(!isTag(tag, of: row.flipped(at: index))) }
        for index in tag.indices { #expect(!isTag(tag.flipped(at: index), of: row)) }
        #expect(
            !isTag(tag, of: row + [0]) && !isTag(tag + [0], of: row) && !isTag(Array(tag[..<31]), of: row))
        #expect(!isTag([], of: row))
        #expect(Array(tag.prefix(16)) != tagKey.tag(.token, of: row))
    }

    @Test func `a fingerprint is the first half of SHA-256`() {
        let fingerprint = TokenFingerprint.of(SecretBytes(copying: "abc"))
        #expect(Hex.encode(fingerprint) == "ba7816bf8f01cfea414140de5dae2223")
    }

    @Test func `a client secret has 256 random bits and prints as nothing`() {
        let secrets = (0..<500).map { _ in ClientSecret.generate() }
        #expect(Set(secrets.map(\.text)).count == 500)
        for secret in secrets {
            #expect(secret.text.hasPrefix("tv_cs_") && secret.text.count == 49)
            #expect(Base64URL.decode(secret.text.utf8.dropFirst(6))?.count == 32)
            #expect("\(secret)" == "<redacted>")
        }
    }

    @Test func `a hardened process leaves no core`() throws {
        try ProcessHardening.disableCoreDumps()
        var limit = rlimit()
        #if canImport(Glibc)
            #expect(getrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &limit) == 0)
        #else
            #expect(getrlimit(RLIMIT_CORE, &limit) == 0)
        #endif
        #expect(limit.rlim_cur == 0 && limit.rlim_max == 0)
    }
}
