import MerkleLog
import Testing
import VaultCore
import VaultCrypto

@Suite("C2SP tlog-proof: a proof as a file, in one spelling")
struct ProofTextTests {
    private let tree = MemoryTree(size: 300)
    private let signer: NoteSigner

    init() throws {
        signer = try PublishedNote.signer()
    }

    private func checkpoint(_ size: Int, root: Digest? = nil) -> Checkpoint {
        Checkpoint(origin: signer.key.name, size: UInt64(size), root: root ?? tree.root(of: size))
    }

    private func inclusion(of index: Int, in size: Int, extra: [UInt8]? = nil) throws -> ProofText {
        ProofText(
            .inclusion(index: UInt64(index)), extra: extra,
            hashes: try MerkleProof.inclusion(of: UInt64(index), in: UInt64(size), hashes: tree),
            note: try signer.sign(checkpoint(size).body))
    }

    private func consistency(from old: Int, to size: Int) throws -> ProofText {
        ProofText(
            .consistency(old: UInt64(old)),
            hashes: try MerkleProof.consistency(from: UInt64(old), to: UInt64(size), hashes: tree),
            note: try signer.sign(checkpoint(size).body))
    }

    @Test func `it has the lines that the specification asks for`() throws {
        let proof = try inclusion(of: 2, in: 3)
        let sibling = Base64.encode(try tree.hash(level: 1, index: 0).bytes)
        #expect(proof.text == "c2sp.org/tlog-proof@v1\nindex 2\n\(sibling)\n\n\(proof.note)")
        let extra = try inclusion(of: 0, in: 1, extra: Array("leaf".utf8))
        #expect(extra.text == "c2sp.org/tlog-proof@v1\nextra bGVhZg==\nindex 0\n\n\(extra.note)")
        let grown = try consistency(from: 2, to: 3)
        #expect(grown.text == "old 2\n\(Base64.encode(tree.leafHashes[2].bytes))\n\n\(grown.note)")
    }

    @Test(arguments: [(0, 1), (0, 2), (5, 7), (255, 256), (256, 257), (17, 300), (299, 300)])
    func `what is written is read back, and holds`(_ index: Int, _ size: Int) throws {
        for extra in [nil, [], Array("leaf \(index)".utf8)] {
            let proof = try inclusion(of: index, in: size, extra: extra)
            let read = try ProofText.parse(Array(proof.text.utf8))
            #expect(read == proof)
            let head = try read.checkpoint(signedBy: signer.key)
            #expect(read.proves(leafHash: tree.leafHashes[index], in: head))
            #expect(!read.proves(leafHash: tree.leafHashes[(index + 1) % 300], in: head))
            #expect(!read.proves(extensionOf: checkpoint(index + 1), by: head))
        }
        let grown = try ProofText.parse(Array(try consistency(from: index, to: size).text.utf8))
        #expect(grown.proves(extensionOf: checkpoint(index), by: checkpoint(size)))
        #expect(!grown.proves(leafHash: tree.leafHashes[index], in: checkpoint(size)))
    }

    @Test func `a hash too many, too few, or turned by a bit proves nothing`() throws {
        let proof = try inclusion(of: 17, in: 300)
        for hashes in try spoiltProofs(of: proof.hashes) {
            let spoilt = ProofText(proof.claim, hashes: hashes, note: proof.note)
            #expect(!spoilt.proves(leafHash: tree.leafHashes[17], in: checkpoint(300)))
        }
        let grown = try consistency(from: 100, to: 300)
        for hashes in try spoiltProofs(of: grown.hashes) {
            let spoilt = ProofText(grown.claim, hashes: hashes, note: grown.note)
            #expect(!spoilt.proves(extensionOf: checkpoint(100), by: checkpoint(300)))
        }
        #expect(!grown.proves(extensionOf: checkpoint(101), by: checkpoint(300)))
        #expect(!grown.proves(extensionOf: checkpoint(100, root: tree.root(of: 99)), by: checkpoint(300)))
    }

    @Test func `another key, another origin, another text: not believed`() throws {
        let proof = try inclusion(of: 17, in: 300)
        let other = try #require(NoteKey(vkey: PublishedNote.otherVkey))
        #expect(throws: VaultError(.integrity, "")) { try proof.checkpoint(signedBy: other) }
        let altered = ProofText(
            proof.claim, hashes: proof.hashes, note: proof.note.replacing("\n300\n", with: "\n301\n"))
        #expect(throws: VaultError(.integrity, "")) { try altered.checkpoint(signedBy: signer.key) }
        let foreign = Checkpoint(origin: "elsewhere", size: 300, root: tree.root(of: 300))
        let misnamed = ProofText(proof.claim, hashes: proof.hashes, note: try signer.sign(foreign.body))
        #expect(throws: VaultError(.integrity, "")) { try misnamed.checkpoint(signedBy: signer.key) }
    }

    @Test func `every second spelling is refused`() throws {
        let good = try inclusion(of: 17, in: 300, extra: [1, 2, 3]).text
        let bad = [
            "", "\n", "c2sp.org/tlog-proof@v1", "c2sp.org/tlog-proof@v1\n",
            good.replacing("@v1", with: "@v2"), " " + good, "\n" + good, "\u{FEFF}" + good,
            good.replacing("index 17", with: "index 017"), good.replacing("index 17", with: "index +17"),
            good.replacing("index 17", with: "index  17"), good.replacing("index 17", with: "Index 17"),
            good.replacing("index 17", with: "index -1"), good.replacing("index 17", with: "index"),
            good.replacing("index 17", with: "index 99999999999999999999"),
            good.replacing("\nindex", with: "\r\nindex"), good.replacing("extra AQID", with: "extra AQI"),
            good.replacing("extra AQID\nindex 17", with: "index 17\nextra AQID"),
            good.replacing("extra AQID\n", with: "extra AQID\nextra AQID\n"),
            good.replacing("index 17\n", with: "index 17\nAAAA\n"),
            good.replacing("index 17\n", with: "index 17\n" + String(repeating: "A", count: 43) + "=\n ")
                .replacing("\n ", with: "\n=\n"),
            String(good.prefix(while: { $0 != "—" }).split(separator: "\n\n")[0]) + "\n",
            good.replacing(
                "index 17\n",
                with: "index 17\n"
                    + String(
                        repeating: Base64.encode([UInt8](repeating: 7, count: 32)) + "\n", count: 64)),
            good + String(repeating: "x", count: 100_000), "old 017\n\nx", "old\n\nx", "old 1\n",
        ]
        for text in bad {
            #expect(throws: VaultError(.integrity, ""), "\(text.prefix(80))") {
                try ProofText.parse(Array(text.utf8))
            }
        }
        #expect(throws: VaultError(.integrity, "")) { try ProofText.parse([0xFF, 0x0A]) }
    }

    @Test func `cut anywhere, it proves nothing`() throws {
        let whole = Array(try inclusion(of: 17, in: 300, extra: Array("leaf 17".utf8)).text.utf8)
        for count in 0..<whole.count {
            let isProof: Bool
            do {
                let proof = try ProofText.parse(Array(whole.prefix(count)))
                let head = try proof.checkpoint(signedBy: signer.key)
                isProof = proof.proves(leafHash: tree.leafHashes[17], in: head)
            } catch { isProof = false }
            #expect(!isProof, "cut after \(count)")
        }
    }
}

@Suite("C2SP tlog-tiles: where a tile lies")
struct TilePathTests {
    @Test func `paths are those of the specification`() {
        #expect(TilePath.text(level: 0, index: 1_234_067, width: 256) == "tile/0/x001/x234/067")
        #expect(TilePath.text(level: 1, index: 0, width: 17) == "tile/1/000.p/17")
        #expect(TilePath.text(level: nil, index: 273, width: 112) == "tile/entries/273.p/112")
        #expect(TilePath.text(level: nil, index: 1000, width: 256) == "tile/entries/x001/000")
        #expect(TilePath.partials(level: 2, index: 999) == "tile/2/999.p")
    }
}
