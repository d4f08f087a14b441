import GRDB
import VaultCore

extension Database {
    /// How often the vault has come to life: 1, and one more for each time it was restored.
    func newestIncarnation() throws -> Int64 {
        try firstRow("SELECT max(id) FROM incarnations") { $0.integer(0) }.map { max(1, $0) } ?? 1
    }
}
