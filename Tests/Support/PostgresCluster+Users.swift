import Foundation

/// The users of the server that the documentation makes beside the owner of the tables, by its own statements.
extension PostgresCluster {
    /// - Parameter word: of `tokenvault_issuer` and the others.
    /// - Returns: the service by which that user reaches the database of another.
    package static func user(for word: String, of service: String) -> String { "\(service)_\(word)" }

    /// Makes every user, with its rights in a database that has a vault in it, and a service for each.
    package func makeUsers(in database: String) throws {
        let statements = try Self.documentedStatements()
        let users = statements.compactMap { $0.firstMatch(of: /^CREATE ROLE (tokenvault_(\w+)) .*$/)?.output }
        guard !users.isEmpty else { throw Failure(what: "docs/scale-out.md makes no users") }
        for (statement, user, word) in users {
            // One for all databases of the server.
            if try run("SELECT 1 FROM pg_roles WHERE rolname = '\(user)'", in: database).isEmpty {
                try run(String(statement), in: database)
            }
            try describe(
                Self.user(for: String(word), of: database),
                "host=127.0.0.1\nport=\(port)\nuser=\(user)\ndbname=\(database)")
        }
        let rights = statements.filter { !$0.hasPrefix("CREATE ") }
            .map { $0.replacing("DATABASE tokenvault ", with: "DATABASE \(database) ") }
        try run(rights.joined(separator: ";\n"), in: database)
    }

    /// Every statement of the page.
    private static func documentedStatements() throws -> [String] {
        let page = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appending(path: "docs/scale-out.md")
        let text = try String(contentsOf: page, encoding: .utf8)
        return text.matches(of: /(?s)```sql\n(.*?)```/)
            .flatMap { $0.output.1.split(separator: ";") }
            .map { statement in
                statement.split(separator: "\n").filter { !$0.hasPrefix("--") }.joined(separator: "\n")
                    .trimmingCharacters(in: .whitespacesAndNewlines)
            }
            .filter { !$0.isEmpty }
    }
}
