import ProviderHTTP
import TokenKeeper
import VaultCore

/// Answers as a server writes them.
enum Wire {
    static func ok(_ body: String, _ fields: String...) -> String { answer("200 OK", body, fields) }

    static func answer(_ status: String, _ body: String, _ fields: [String] = []) -> String {
        (["HTTP/1.1 \(status)", "Content-Length: \(body.utf8.count)"] + fields).joined(separator: "\r\n")
            + "\r\n\r\n" + body
    }
}

extension ProviderRequest {
    /// A refresh with `body`, to a server on this machine.
    static func refresh(
        _ port: Int, body: String = "grant_type=refresh_token", timeout: Duration = .seconds(20)
    ) -> Self {
        ProviderRequest(
            .refresh, .post, "http://127.0.0.1:\(port)/token",
            headers: [("content-type", SecretBytes(copying: "application/x-www-form-urlencoded"))],
            body: SecretBytes(copying: body), timeout: timeout)
    }
}

extension ProviderReply {
    var text: String { body.withExposed { String(decoding: $0, as: UTF8.self) } }
}

extension AsyncHTTPTransport {
    /// What became of a request, as a value.
    func outcome(_ request: ProviderRequest) async -> Result<Int, TransportFailure> {
        do throws(TransportFailure) { return .success(try await send(request).status) } catch {
            return .failure(error)
        }
    }

    /// Of requests that are sent at the same time, by tasks that are cancelled at once or not.
    func outcomes(
        _ requests: [ProviderRequest], isCancelled: Bool = false
    ) async -> [Result<Int, TransportFailure>] {
        await withTaskGroup(of: (Int, Result<Int, TransportFailure>).self) { group in
            for (index, request) in requests.enumerated() {
                group.addTask { (index, await self.outcome(request)) }
            }
            if isCancelled { group.cancelAll() }
            return await group.reduce(into: []) { $0.append($1) }.sorted { $0.0 < $1.0 }.map(\.1)
        }
    }
}
