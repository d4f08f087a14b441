/// Runs `body`, then `end`, whatever came of it: nothing that waits can stand in a `defer`.
package func running<Result>(
    _ body: () async throws -> Result, finally end: () async -> Void
) async throws -> Result {
    let result: Result
    do { result = try await body() } catch {
        await end()
        throw error
    }
    await end()
    return result
}
