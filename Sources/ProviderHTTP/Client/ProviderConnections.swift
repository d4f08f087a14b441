import AsyncHTTPClient

/// The pool of connections that ``ProviderClient``s call APIs over; one for a whole program.
public final class ProviderConnections: Sendable {
    let client: HTTPClient

    /// End it with ``shutdown()``.
    ///
    /// - Throws: `VaultError.invalidInput` if the authorities cannot be read.
    public init(_ rules: ConnectionRules = ConnectionRules()) throws {
        client = ConnectionRules.client(try rules.configuration())
    }

    /// Runs `body` with connections that are closed afterwards.
    public static func withConnections<Result>(
        _ rules: ConnectionRules = ConnectionRules(),
        _ body: (ProviderConnections) async throws -> Result
    ) async throws -> Result {
        let connections = try ProviderConnections(rules)
        do {
            let result = try await body(connections)
            await connections.shutdown()
            return result
        } catch {
            await connections.shutdown()
            throw error
        }
    }

    /// Ends calls under way and closes everything.
    public func shutdown() async {
        // It fails only where it was shut down before.
        try? await client.shutdown()
    }
}
