import Foundation
import Testing

/// The repository as files, found from this file's own place.
enum Repository {
    static let root = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    static func text(_ path: String) throws -> String {
        try String(contentsOf: root.appendingPathComponent(path), encoding: .utf8)
    }

    /// Paths of the files below `folder` with one of the endings, relative to the root.
    static func files(_ folder: String, _ endings: String...) throws -> [String] {
        let base = root.appendingPathComponent(folder)
        let walker = try #require(FileManager.default.enumerator(atPath: base.path))
        return walker.compactMap { $0 as? String }
            .filter { path in endings.contains { path.hasSuffix("." + $0) } && !path.contains(".build") }
            .map { folder + "/" + $0 }.sorted()
    }

    static func lines(_ path: String) throws -> [Substring] {
        try text(path).split(separator: "\n", omittingEmptySubsequences: false)
    }
}

@Suite struct `The house style` {
    @Test(arguments: [
        "try!", "@testable", "fatalError(", "Task.detached", "import XCTest", "import Dispatch",
        "DispatchQueue(", "TODO",
        "FIXME", "swift-format-ignore",
    ])
    func `the sources do without`(_ word: String) throws {
        for file in try Repository.files("Sources", "swift") {
            #expect(try !Repository.text(file).contains(word), "\(file)")
        }
    }

    /// Dialect that readers stumble over. Comments inside of code may have it; a reason in the log is `sealed-anew`.
    @Test(arguments: [
        "for who", "is none", "deed", "lent", "anew", "whoever", "somebody", "nobody", "beside what",
        "made out of", "so many",
    ])
    func `what people read does without`(_ word: String) throws {
        let pages = try Repository.files("docs", "md", "yaml") + Repository.files("Sources", "swift", "md")
        for page in pages + ["README.md", "SECURITY.md", "CONTRIBUTING.md"] {
            let text = try Repository.text(page).lowercased().replacing("sealed-anew", with: "")
            guard text.contains(word) else { continue }
            for line in text.split(separator: "\n") where !line.contains(/^\s*\/\/(?!\/)/) {
                let isThere = line.ranges(of: word).contains { range in
                    line[..<range.lowerBound].last?.isLetter != true
                        && line[range.upperBound...].first?.isLetter != true
                }
                #expect(!isThere, "\(page): \(line)")
            }
        }
    }

    @Test func `texts of libraries name acts, and leave commands and options to the command`() throws {
        for file in try Repository.files("Sources", "swift") where !file.hasPrefix("Sources/VaultCommand/") {
            let text = try Repository.text(file)
            guard text.contains("'tokenvault ") || text.contains(" --") || text.contains("\"--") else {
                continue
            }
            for line in text.split(separator: "\n") where !line.contains(/^\s*\/\//) {
                let isNamed = line.contains(/"(?:[^"]*(?:['`]tokenvault |[ (]--[a-z])|--[a-z])/)
                #expect(!isNamed || line.contains("chown --reference"), "\(file): \(line)")
            }
        }
    }

    @Test func `no type is a Manager, a Helper or Utils`() throws {
        let pattern = /(struct|class|enum|actor|protocol) \w*(Manager|Helper|Utils)\b/
        for file in try Repository.files("Sources", "swift") {
            #expect(try Repository.text(file).firstMatch(of: pattern) == nil, "\(file)")
        }
    }

    @Test func `every @unchecked Sendable says why it is safe`() throws {
        for file in try Repository.files("Sources", "swift") {
            let lines = try Repository.lines(file)
            for (index, line) in lines.enumerated() where line.contains("@unchecked Sendable") {
                let near = lines[max(0, index - 6)...min(lines.count - 1, index + 3)].joined(separator: "\n")
                let isExplained = near.contains("// @unchecked") || near.contains("`@unchecked`")
                #expect(isExplained, "\(file):\(index + 1)")
            }
        }
    }

    /// `Waiting` alone may let time pass; it says when that is honest.
    @Test func `tests neither sleep on the wall clock nor skip`() throws {
        // Simple boundaries: the others take `Task.sleep` for one word.
        let sleeping = /\b(sleep|usleep|nanosleep)\s*\(/.wordBoundaryKind(.simple)
        let waits = "Tests/Support/Waiting.swift"
        let files = try Repository.files("Tests", "swift")
        for file in files where file != waits && !file.hasPrefix("Tests/TidyTests/") {
            let text = try Repository.text(file)
            #expect(!text.contains(".disabled(if: !FileManager"), "\(file): a missing tool fails")
            #expect(!text.contains("XCTSkip"), "\(file)")
            #expect(text.firstMatch(of: sleeping) == nil, "\(file)")
        }
        #expect(try Repository.text(waits).matches(of: sleeping).count == 2, "what the search is to find")
    }

    @Test func `what awaits has a time limit`() throws {
        let declaration = /@Suite.*(struct|enum|class)/
        for file in try Repository.files("Tests", "swift") {
            let text = try Repository.text(file)
            guard text.contains("await "), text.contains("@Test"), !text.contains("extension Durability {")
            else {
                continue
            }
            for suite in text.split(separator: "\n") where suite.firstMatch(of: declaration) != nil {
                #expect(suite.contains(".bounded"), "\(file): \(suite)")
            }
        }
    }

    /// What a dot after a value offers is a list that people read.
    @Test func `no type has over 40 public methods`() throws {
        let declaration =
            /(?:public |package )?(?:final |indirect )?(?:extension|class|struct|actor|enum|protocol) (\w+)/
        let method = /^ +(?:@\w+(?:\([^)]*\))? )*public (?:static |mutating |nonisolated )*func\b/
        var counts: [Substring: Int] = [:]
        for file in try Repository.files("Sources", "swift") {
            var type: Substring = ""
            for line in try Repository.lines(file) {
                if let found = line.prefixMatch(of: declaration) { type = found.1 }
                if line.prefixMatch(of: method) != nil { counts[type, default: 0] += 1 }
            }
        }
        #expect(counts["VaultClients", default: 0] >= 8, "what the search is to find")
        for (type, count) in counts { #expect(count <= 40, "\(type): \(count)") }
    }

    /// The most that the sources may be. A change that needs more raises a number here, in a commit that says for what.
    @Test func `the sources stay light`() throws {
        let (mostLines, mostTypes) = (62_150, 1_071)
        let pattern =
            /^ *(public |package |private |fileprivate )?(final |indirect )?(struct|class|enum|actor|protocol) [A-Z]/
        var (lines, types) = (0, 0)
        for file in try Repository.files("Sources", "swift") {
            // The last piece is what follows the last line break: nothing.
            let text = try Repository.lines(file).dropLast()
            lines += text.count
            types += text.count { $0.prefixMatch(of: pattern) != nil }
        }
        print("Sources: \(lines) lines of at most \(mostLines), \(types) named types of at most \(mostTypes)")
        #expect(lines <= mostLines)
        #expect(types <= mostTypes)
    }
}

@Suite struct `The ladder of modules` {
    /// What each module may import of ours and of packages; the standard libraries are free.
    private static let allowed: [String: Set<String>] = [
        "VaultCore": [],
        "VaultMigrations": [],
        "VaultCrypto": ["VaultCore", "CSodium", "CVaultShims", "Crypto"],
        "TokenRotation": ["VaultCore"],
        "MerkleLog": ["VaultCore", "VaultCrypto"],
        "VaultStore": ["VaultCore", "VaultCrypto", "MerkleLog"],
        "SQLiteStore": [
            "VaultCore", "VaultMigrations", "VaultCrypto", "VaultStore", "CSQLite", "CVaultShims", "Logging",
        ],
        "PostgresStore": [
            "VaultCore", "VaultMigrations", "VaultCrypto", "VaultStore", "CPostgres", "Logging",
        ],
        "TokenVault": [
            "VaultCore", "VaultMigrations", "VaultCrypto", "CVaultShims", "TokenRotation", "MerkleLog",
            "VaultStore", "SQLiteStore", "PostgresStore", "Logging", "Metrics",
        ],
        "VaultAudit": [
            "VaultCore", "VaultCrypto", "MerkleLog", "VaultStore", "SQLiteStore", "TokenVault", "Logging",
            "ServiceLifecycle",
        ],
        "VaultCustody": [
            "VaultCore", "VaultCrypto", "CVaultShims", "TokenRotation", "MerkleLog", "VaultStore",
            "SQLiteStore", "PostgresStore", "TokenVault", "VaultAudit", "Logging",
        ],
        "TokenIssuer": [
            "VaultCore", "VaultCrypto", "TokenRotation", "VaultStore", "TokenVault", "Logging", "Metrics",
            "Tracing",
        ],
        "JOSE": ["VaultCore", "JWTKit", "Crypto", "_CryptoExtras"],
        "OpenIDConnect": [
            "VaultCore", "VaultCrypto", "VaultStore", "TokenVault", "JOSE", "TokenIssuer",
        ],
        "GuardedFetch": [
            "VaultCore", "CVaultShims", "TokenIssuer", "NIOCore", "NIOPosix", "NIOHTTP1", "NIOSSL", "Logging",
        ],
        "TokenKeeper": [
            "VaultCore", "VaultCrypto", "VaultStore", "TokenVault", "JOSE", "Yams", "Metrics", "Tracing",
            "Logging", "ServiceLifecycle",
        ],
        "ProviderHTTP": [
            "VaultCore", "TokenVault", "VaultAudit", "TokenKeeper", "AsyncHTTPClient", "NIOCore", "NIOPosix",
            "NIOHTTP1",
            "NIOSSL", "Logging",
        ],
    ]
    private static let free: Set<String> = [
        "Foundation", "FoundationNetworking", "Synchronization", "Glibc", "Musl", "Darwin",
    ]
    /// Packages, and the libraries that alone may import them.
    private static let walls: [String: Set<String>] = [
        "CSQLite": ["SQLiteStore"],
        "CPostgres": ["PostgresStore"],
        "SQLiteStore": ["TokenVault", "VaultAudit", "VaultCustody", "TokenVaultTesting"],
        "CSodium": ["VaultCrypto"],
        "Hummingbird": ["IssuerHTTP"], "HummingbirdCore": ["IssuerHTTP"], "HummingbirdTLS": ["IssuerHTTP"],
        "Mustache": ["IssuerHTTP"], "NIOSSL": ["IssuerHTTP", "ProviderHTTP", "GuardedFetch"],
        "AsyncHTTPClient": ["ProviderHTTP"], "Yams": ["TokenKeeper"], "JWTKit": ["JOSE"],
        "_CryptoExtras": ["JOSE"],
    ]

    /// May import what they drive.
    private static let drivers: Set<String> = ["VaultCommand", "TokenVaultTesting"]

    private func imports(_ file: String) throws -> [String] {
        try Repository.lines(file).lazy.filter { $0.contains("import ") }.compactMap { line in
            line.firstMatch(of: /^\s*(?:public |package |internal |@preconcurrency )*import (?:\w+ )?(\w+)/)
                .map { String($0.1) }
        }
    }

    @Test func `arrows point down only`() throws {
        for (module, allowed) in Self.allowed {
            for file in try Repository.files("Sources/" + module, "swift") {
                for name in try imports(file) {
                    #expect(allowed.contains(name) || Self.free.contains(name), "\(file) imports \(name)")
                }
            }
        }
    }

    @Test func `no library is too large to know, and the command does not grow`() throws {
        var sizes: [Substring: Int] = [:]
        for file in try Repository.files("Sources", "swift") {
            sizes[file.split(separator: "/")[1], default: 0] += try Repository.lines(file).dropLast().count
        }
        #expect(sizes["TokenVault", default: 0] > 5_000, "what is counted")
        for (module, size) in sizes where module != "VaultCommand" {
            #expect(size <= 9_000, "\(module): \(size)")
        }
        #expect(sizes["VaultCommand", default: 0] <= 8_950)
    }

    @Test func `each wall has one door`() throws {
        for file in try Repository.files("Sources", "swift") {
            let module = file.split(separator: "/")[1]
            for name in try imports(file) {
                guard let owners = Self.walls[name], !Self.drivers.contains(String(module)) else { continue }
                #expect(owners.contains(String(module)), "\(file) imports \(name)")
            }
        }
    }

    @Test func `every dependency has its reason`() throws {
        let lines = try Repository.lines("Package.swift")
        let places = lines.indices.filter { lines[$0].contains(".package(url:") }
        #expect(places.count >= 5)
        for place in places {
            #expect(lines[place - 1].trimmingCharacters(in: .whitespaces).hasPrefix("// "), "\(lines[place])")
        }
    }
}

@Suite struct `What has landed stays` {
    /// SHA-256 of each landed migration.
    ///
    /// Never edit a line; add the next.
    private static let landed = [
        "V0001_create_vault.sql": "5974449fa19b3c4c7aab6105ffecf32c3b8cd89a491a9ed0341279ad94eada72"
    ]

    @Test func `a landed migration never changes`() throws {
        let files = try Repository.files("Migrations", "sql").map {
            String($0.dropFirst("Migrations/".count))
        }
        #expect(files == Self.landed.keys.sorted())
        for (file, checksum) in Self.landed {
            let process = Process()
            process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
            process.arguments = [
                "sha256sum", Repository.root.appendingPathComponent("Migrations/" + file).path,
            ]
            let output = Pipe()
            process.standardOutput = output
            try process.run()
            let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
            process.waitUntilExit()
            #expect(text.hasPrefix(checksum), "\(file) is now \(text)")
        }
    }

    @Test func `links between the documents lead somewhere`() throws {
        let pages =
            try Repository.files("docs", "md") + [
                "README.md", "SECURITY.md", "CONTRIBUTING.md", "CHANGELOG.md",
            ]
        for page in pages {
            let folder = Repository.root.appendingPathComponent(page).deletingLastPathComponent()
            for match in try Repository.text(page).matches(of: /\]\(([^)#:]+)(#[^)]*)?\)/) {
                let target = folder.appendingPathComponent(String(match.1)).standardizedFileURL
                #expect(FileManager.default.fileExists(atPath: target.path), "\(page): \(match.1)")
            }
        }
    }

    @Test func `every test that docs/conformance.md names exists`() throws {
        let tests = try Repository.files("Tests", "swift").map(Repository.text).joined()
        let files = try Repository.files("Tests", "py").map { $0.split(separator: "/").last.map(String.init) }
        let rows = try Repository.lines("docs/conformance.md").filter { $0.hasPrefix("| ") }
        #expect(rows.count > 40)
        for row in rows {
            for match in row.matches(of: /\*([^*]+)\*/) { #expect(tests.contains(match.1), "\(match.1)") }
            for match in row.matches(of: /`(test_\w+\.py)`/) { #expect(files.contains(String(match.1))) }
        }
    }

    @Test func `every promise in the README names a suite that exists`() throws {
        let suites = try Repository.files("Tests", "swift").map(Repository.text).joined()
            .replacing("(.serialized)", with: "").replacing("enum `", with: "struct `")
        let rows = try Repository.lines("README.md").filter { $0.hasPrefix("| P") }
        #expect(rows.count == 10)
        for row in rows {
            let names = row.matches(of: /\*([^*]+)\*/).map { String($0.1) }
            #expect(!names.isEmpty || row.hasSuffix("| not yet |"), "\(row)")
            for name in names {
                let isThere = suites.contains("struct `\(name)`") || suites.contains("@Suite(\"\(name)\"")
                #expect(isThere, "\(name)")
            }
        }
    }
}
