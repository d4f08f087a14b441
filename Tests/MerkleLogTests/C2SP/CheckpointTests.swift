import MerkleLog
import TestSupport
import Testing
import VaultCore
import VaultCrypto

@Suite("C2SP tlog-checkpoint: a tree head as text", .bounded)
struct CheckpointTests {
    /// The example of the specification.
    private let published =
        "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"

    @Test func `the published example reads and writes as it stands`() throws {
        let checkpoint = try #require(Checkpoint(parsing: published))
        #expect(checkpoint.origin == "example.com/behind-the-sofa")
        #expect(checkpoint.size == 20_852_163)
        #expect(checkpoint.root.bytes.prefix(4) == [0x0A, 0xC5, 0x18, 0x6A])
        #expect(checkpoint.body == published)
    }

    @Test func `what is written reads back, from the empty tree to the largest`() {
        for size in [0, 1, 9, 10, UInt64(Int64.max), .max] {
            let checkpoint = Checkpoint(origin: "tokenvault/0a1b", size: size, root: MerkleHash.leaf([1]))
            #expect(Checkpoint(parsing: checkpoint.body) == checkpoint, "size \(size)")
        }
        let empty = Checkpoint(origin: "tokenvault/0a1b", size: 0, root: MerkleHash.empty)
        #expect(empty.body == "tokenvault/0a1b\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n")
    }

    @Test(arguments: [
        "020852163", "+20852163", "-1", "", " 1", "1 ", "0x10", "1_0", "00", "٣", "18446744073709551616",
    ])
    func `a size in another spelling is refused`(_ size: String) {
        #expect(Checkpoint(parsing: published.replacingLine(1, with: size)) == nil)
    }

    @Test(arguments: [
        // Spare bits set, no padding, base64url, too short, too long, white space.
        "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2J=", "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I",
        "CsUYapGGPo4dkMgIAUqom_Xajj7h2fB2MPA3j2jxq2I=", "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxqw==",
        "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2IA", " CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=",
        "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I====", "", "=", "====",
    ])
    func `a root in another spelling or length is refused`(_ root: String) {
        #expect(Checkpoint(parsing: published.replacingLine(2, with: root)) == nil)
    }

    @Test(arguments: ["", "two words", "a+b", "tab\there", "caf\u{E9}", "return\r", "null\0"])
    func `an origin that names no key is refused`(_ origin: String) {
        #expect(Checkpoint(parsing: published.replacingLine(0, with: origin)) == nil)
    }

    @Test func `extension lines, missing lines and other line ends are refused`() {
        #expect(Checkpoint(parsing: published + "extension\n") == nil)
        #expect(Checkpoint(parsing: published + "extension") == nil)
        #expect(Checkpoint(parsing: published + "\n") == nil)
        #expect(Checkpoint(parsing: "\n" + published) == nil)
        #expect(Checkpoint(parsing: String(published.dropLast())) == nil)
        let lines = published.split(separator: "\n")
        #expect(Checkpoint(parsing: lines.joined(separator: "\r\n") + "\r\n") == nil)
        #expect(Checkpoint(parsing: "example.com/behind-the-sofa\n20852163\n") == nil)
        #expect(Checkpoint(parsing: "") == nil)
    }

    @Test func `an origin of two lines stops the program before anything is signed`() async {
        await #expect(processExitsWith: .failure) {
            let root = MerkleHash.empty
            print(Checkpoint(origin: "tokenvault/0a1b\n7", size: 0, root: root).body)
        }
    }
}

extension String {
    fileprivate func replacingLine(_ index: Int, with line: String) -> String {
        var lines = split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        lines[index] = line
        return lines.joined(separator: "\n")
    }
}
