import Foundation
import TestSupport
import Testing
import TokenKeeper
import TokenVault
import VaultCore
import VaultCrypto
import VaultCustody

extension Durability {
    /// Every window of 32 bytes in the memory of a process that serves, at steps of 8, is tried as a key on what the
    /// vault holds. Root alone may read such memory: the process asked not to be dumped.
    @Suite(.serialized, .enabled(if: geteuid() == 0))
    struct `The memory of a service that holds one role's keys` {
        /// What a key may open.
        private struct Lock: Sendable {
            let name: String
            let opens: @Sendable (GuardedKey) -> Bool
        }

        private static let forbidden: Set<String> = [
            "root", "keeper", "custody", "keyslot", "connection",
        ]

        @Test(arguments: [("issuer", []), ("key", ["--role", "issuer"])])
        func `opens nothing of the keeper's, nor the root key`(_ key: String, _ options: [String])
            async throws
        {
            let rig = try Rig()
            let found = try await scan(rig, key, options)
            // It holds what it needs: the scan would have seen the rest.
            #expect(found.contains("issuer"))
            #expect(found.isDisjoint(with: Self.forbidden), "\(found.sorted())")
        }

        @Test func `is told by the same scan from that of a service that holds everything`() async throws {
            let found = try await scan(try Rig(), "key", [])
            #expect(found.isSuperset(of: ["root", "keeper"]), "\(found.sorted())")
        }

        private func scan(_ rig: Rig, _ key: String, _ options: [String]) async throws -> Set<String> {
            let vault = try await rig.create()
            try Vault.createKeyFile(at: rig.directory + "/issuer")
            _ = try await vault.keys.addSlot(
                named: "issuer", unlockedBy: .keyFile(path: rig.directory + "/issuer"), for: .issuer)
            let provider = try await vault.addProvider(
                "provider", definition: "{}", credentials: SecretBytes(copying: "secret")
            ).id
            let alice = try await vault.users.find("alice").id
            var tokens = NewTokens(accessToken: SecretBytes(copying: "access"))
            tokens.refreshToken = SecretBytes(copying: "refresh")
            _ = try await vault.storeConnection(ConnectionGrant(provider, alice, label: "", tokens: tokens))
            await vault.close()

            let complaints = "serve-" + UUID().uuidString
            let service = try rig.command(
                ["serve", "--listen", "127.0.0.1:0", "--json"] + options, complaints: complaints,
                key: rig.directory + "/" + key)
            var lines = service.lines.makeAsyncIterator()
            _ = try #require(await lines.next(), "it does not serve")
            let locks = try await locks(of: rig, vault.id)
            let found = try Self.scan(service.id, locks)
            service.signal(SIGTERM)
            #expect(await service.end() == .exited(0))
            return found
        }

        /// Every wrap that one of the keys above a role opens, and the tokens of the connection.
        private func locks(of rig: Rig, _ vault: VaultID) async throws -> [Lock] {
            func rows(_ sql: String) async throws -> [[String]] {
                try await run("sqlite3", "-readonly", rig.path, sql).split(separator: "\n").map {
                    $0.split(separator: "|", omittingEmptySubsequences: false).map(String.init)
                }
            }
            let names = ["root", "issuer", "keeper", "custody"]
            var locks: [Lock] = []
            for row in try await rows(
                "SELECT wrapper, role * 4 + wrapper, epoch, wrapper_epoch, hex(wrapped) FROM role_keys")
            {
                let place = AssociatedData(
                    domain: "tokenvault.wrap", vault: vault, owner: .system, table: 19, column: 6,
                    row: try #require(Int64(row[1])), generation: try #require(UInt64(row[2])))
                let name = names[try #require(Int(row[0]))]
                guard !locks.contains(where: { $0.name == name }) else { continue }
                locks.append(try wrap(name, row[3], row[4], place))
            }
            for row in try await rows(
                "SELECT owner_id, id, epoch, hex(wrapped) FROM owner_keys WHERE role = 2 LIMIT 1")
            {
                let place = AssociatedData(
                    domain: "tokenvault.wrap", vault: vault, owner: OwnerID(try #require(Int64(row[0]))),
                    table: 20, column: 5, row: try #require(Int64(row[1])), generation: 0)
                locks.append(try wrap("keeper", row[2], row[3], place))
            }
            for row in try await rows(
                "SELECT hex(slot_id), kind, epoch, hex(parameters), hex(wrapped) FROM keyslots WHERE role = 0"
            ) {
                let record = KeyslotRecord(
                    id: try bytes(row[0]), kind: try #require(KeyslotKind(rawValue: Int64(row[1]) ?? 0)),
                    epoch: try #require(UInt32(row[2])), parameters: try bytes(row[3]),
                    wrapped: try bytes(row[4]))
                locks.append(
                    Lock(name: "keyslot") {
                        (try? Keyslot.open(record, slotKey: $0, vault: vault)) != nil
                    })
            }
            for row in try await rows(
                """
                SELECT c.owner_id, c.id, c.generation, hex(c.pair),
                    (SELECT cid FROM pragma_table_info('connections') WHERE name = 'pair') FROM connections c
                """)
            {
                let place = AssociatedData(
                    domain: "tokenvault.field", vault: vault, owner: OwnerID(try #require(Int64(row[0]))),
                    table: 15, column: try #require(UInt16(row[4])), row: try #require(Int64(row[1])),
                    generation: try #require(UInt64(row[2])))
                let sealed = try bytes(row[3])
                locks.append(
                    Lock(name: "connection") {
                        (try? SealedField.open(sealed, with: OwnerKey(version: 1, key: $0), for: place))
                            != nil
                    })
            }
            try #require(locks.count == 7, "\(locks.map(\.name))")
            return locks
        }

        private func wrap(
            _ name: String, _ epoch: String, _ wrapped: String, _ place: AssociatedData
        ) throws -> Lock {
            let (epoch, wrapped) = (try #require(UInt32(epoch)), try bytes(wrapped))
            return Lock(name: name) {
                (try? KeyWrap.unwrap(wrapped, with: $0, epoch: epoch, for: place)) != nil
            }
        }

        private func bytes(_ hex: String) throws -> [UInt8] { try #require(Hex.decode(hex.lowercased())) }

        // MARK: The memory

        /// - Returns: the names of what some window opens.
        private static func scan(_ process: pid_t, _ locks: [Lock]) throws -> Set<String> {
            let memory = open("/proc/\(process)/mem", O_RDONLY | O_CLOEXEC)
            try #require(memory >= 0, "the memory of another process: \(errno)")
            defer { close(memory) }
            var found: Set<String> = []
            var tried: Set<[UInt64]> = []
            // Foundation's reading of a whole file stops after the first part of one that has no size.
            let handle = try #require(FileHandle(forReadingAtPath: "/proc/\(process)/maps"))
            let maps = String(decoding: handle.readDataToEndOfFile(), as: UTF8.self)
            for line in maps.split(separator: "\n") {
                let parts = line.split(separator: " ", maxSplits: 2)
                let ends = parts[0].split(separator: "-").compactMap { UInt64($0, radix: 16) }
                // What cannot be written holds no key of this run.
                guard parts[1].hasPrefix("rw"), ends.count == 2 else { continue }
                var start = ends[0]
                while start < ends[1] {
                    let count = Int(min(ends[1] - start, 1 << 20))
                    // Windows reach over from one part into the next.
                    var part = [UInt64](repeating: 0, count: count / 8 + 3)
                    let read = pread(memory, &part, part.count * 8, off_t(truncatingIfNeeded: start))
                    if read > 0 { attempt(part, read / 8, locks, &found, &tried) }
                    start += UInt64(count)
                }
            }
            return found
        }

        private static func attempt(
            _ words: [UInt64], _ count: Int, _ locks: [Lock], _ found: inout Set<String>,
            _ tried: inout Set<[UInt64]>
        ) {
            words.withUnsafeBufferPointer { words in
                guard count >= 4 else { return }
                for index in 0...(count - 4) {
                    // Addresses, small numbers and text are no keys: a word of a key has its top bits set as often as not.
                    let all = words[index] | words[index + 1] | words[index + 2] | words[index + 3]
                    guard words[index] >> 40 != 0, words[index + 1] >> 40 != 0, words[index + 2] >> 40 != 0,
                        words[index + 3] >> 40 != 0, all & 0x8080_8080_8080_8080 != 0
                    else { continue }
                    let window = Array(words[index..<index + 4])
                    guard isRandom(window), tried.insert(window).inserted,
                        let key = try? window.withUnsafeBytes({ try GuardedKey(copying: $0) })
                    else { continue }
                    for lock in locks where !found.contains(lock.name) && lock.opens(key) {
                        found.insert(lock.name)
                    }
                }
            }
        }

        /// 32 random bytes have 30 values on average, and fewer than 22 once in a hundred million times.
        private static func isRandom(_ window: [UInt64]) -> Bool {
            var seen: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
            for var word in window {
                for _ in 0..<8 {
                    let bit = UInt64(1) << (word & 63)
                    switch word >> 6 & 3 {
                    case 0: seen.0 |= bit
                    case 1: seen.1 |= bit
                    case 2: seen.2 |= bit
                    default: seen.3 |= bit
                    }
                    word >>= 8
                }
            }
            return seen.0.nonzeroBitCount + seen.1.nonzeroBitCount + seen.2.nonzeroBitCount
                + seen.3.nonzeroBitCount >= 22
        }
    }
}
