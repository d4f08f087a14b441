import Foundation
import Logging
import PostgresStore
import Synchronization
import TestSupport
import VaultCore
import VaultStore

/// A store in a database of its own, whose tables have a log head of size 0 and nothing else.
final class Scene: Sendable {
    let cluster: PostgresCluster
    let service: String
    let store: PostgresStore

    /// - Parameter cluster: nil: the one that all tests share.
    init(in own: PostgresCluster? = nil, isSingle: Bool = true) throws {
        cluster = try own ?? PostgresCluster.shared.get()
        service = try cluster.makeDatabase()
        store = try PostgresStore.create(
            at: PostgresPlace(service: service), isSingle: isSingle, logger: Scene.logger, at: Scene.epoch
        ) { try $0.apply([RowWrite(making: .logHead, Scene.head(0))]) }
    }

    deinit {
        try? store.close()
        cluster.giveBack(service)
    }

    static let logger = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
    static let epoch = VaultInstant(millisecondsSince1970: 1_800_000_000_000)

    static func head(_ size: Int64) -> [SQLValue] {
        [.integer(size), .blob([1]), .blob([]), .integer(0), .text("note")]
    }

    /// The same vault, as another process has it open.
    func other() throws -> PostgresStore {
        try PostgresStore(at: PostgresPlace(service: service), logger: Scene.logger)
    }

    /// Commits what `writes` gives, after the size of the log was asked for.
    func commit(
        in other: PostgresStore? = nil, waiting: () throws -> Void = {},
        isThere: (@Sendable (Database) throws -> Bool)? = nil, durable: () -> Void = {},
        _ writes: (Int64) throws -> [RowWrite]
    ) -> CommitOutcome {
        (other ?? store).commit(
            waiting: waiting,
            { transaction in
                var size: Int64 = -1
                try transaction.ask([StoreQuestion("SELECT size FROM audit_head WHERE id = 1")]) {
                    size = $1.integer(0)
                }
                return StoreCommit(try writes(size), isThere: isThere)
            }, durable: { _ in durable() })
    }

    /// Returns once another process has the lock, which commits an entry when it is signalled.
    func holdLock(by other: PostgresStore) async throws -> DispatchSemaphore {
        let (isHeld, isOver) = (Signal(), DispatchSemaphore(value: 0))
        BlockingThread.run { [self] in
            _ = commit(in: other) { size in
                isHeld.set()
                isOver.wait()
                return [RowWrite(replacing: .logHead, Scene.head(size + 1))]
            }
        }
        guard try await Waiting.until({ isHeld.isSet }) else {
            throw VaultError(.busy, "The lock was not given.")
        }
        return isOver
    }

    /// Makes the log longer by one.
    func grow(in other: PostgresStore? = nil) -> CommitOutcome {
        commit(in: other) { [RowWrite(replacing: .logHead, Scene.head($0 + 1))] }
    }

    func size() throws -> Int64 { try store.reader.read { try $0.count("SELECT size FROM audit_head") } }

    func run(_ sql: String) throws -> String { try cluster.run(sql, in: service) }
}

extension CommitOutcome {
    var isCommitted: Bool { if case .committed = self { true } else { false } }
    var failure: VaultError? { if case .failed(let error) = self { error } else { nil } }
    var isUnknown: Bool { if case .unknown = self { true } else { false } }
}

/// What `body` throws; nil: nothing.
func failure(_ body: () throws -> Void) -> (any Error)? {
    do { try body() } catch { return error }
    return nil
}

/// What one thread sets and others look at.
final class Signal: Sendable {
    private let value = Atomic<Bool>(false)
    func set() { value.store(true, ordering: .releasing) }
    var isSet: Bool { value.load(ordering: .acquiring) }
}
