import Foundation

/// A client of the service that posts with `curl`, its secrets in a file of its own.
struct Session: Sendable {
    let place: Workplace
    let url: String
    let secret: String
    /// The certificate to trust, where the service speaks TLS.
    var authority: String?

    /// A client `app` and a user, by command; the client's secret.
    static func register(in place: Workplace) async throws -> String {
        _ = try await place.run(["user", "add", "-"], input: "alice-of-the-test\n")
        let client = try await place.run([
            "client", "add", "app", "--client-id", "app", "--redirect-uri", "https://app.example/cb",
            "--scope", "basic",
            "--json",
        ])
        guard let secret = try client.object()["client_secret"] as? String else {
            throw Missing.value("a client secret")
        }
        return secret
    }

    /// A new grant's first tokens.
    func exchange() async throws -> [String: Any] {
        let code = try await place.run(
            [
                "grant", "authorize", "--client", "app", "--user", "-", "--redirect-uri",
                "https://app.example/cb",
                "--json",
            ], input: "alice-of-the-test\n")
        guard let code = try code.object()["code"] as? String else { throw Missing.value("a code") }
        return try await post([
            "grant_type=authorization_code", "code=\(code)", "redirect_uri=https://app.example/cb",
        ])
    }

    func refresh(_ tokens: [String: Any]) async throws -> [String: Any] {
        guard let token = tokens["refresh_token"] as? String else {
            throw Missing.value("a refresh token in \(tokens)")
        }
        return try await post(["grant_type=refresh_token", "refresh_token=\(token)"])
    }

    private func post(_ parameters: [String]) async throws -> [String: Any] {
        let lines =
            ["url=\"\(url)/oauth2/token\"", "user=\"app:\(secret)\""] + parameters.map { "data=\"\($0)\"" }
            + (authority.map { ["cacert=\"\($0)\""] } ?? [])
        let answer = try await place.run(
            program: "/usr/bin/curl", ["--silent", "--config", "-"], input: lines.joined(separator: "\n"))
        guard answer.status == 0 else { throw Missing.value("an answer from \(url)") }
        return try answer.object()
    }
}
