import Foundation
import TokenRotation
import TokenVault
import VaultCore

/// What the loads over HTTP need of a vault: credentials, tokens, codes.
struct HTTPMaterial {
    /// The values of `Authorization` and of the form of a request for client credentials.
    let basic: String
    let form = "grant_type=client_credentials&scope=basic"
    let accessToken: String

    private let copy: WorkingCopy
    private let vault: Vault
    private let source: GrantSource
    private var next = 0

    init(_ copy: WorkingCopy) async throws {
        self.copy = copy
        vault = try await copy.vault.open()
        let client = try await vault.clients.find(PopulatedVault.clientName)
        source = GrantSource(vault: vault, client: client)
        let secret = try await vault.clients.rotateSecret(of: client.clientID, overlap: .zero).secret
        guard let secret else { throw BenchmarkFailure("The client has no secret.") }
        let pair = Data((client.clientID + ":").utf8) + secret.withExposed { Data($0) }
        basic = "Basic " + pair.base64EncodedString()
        let refresh = ExchangeRequest(
            kind: .refreshToken, credential: SecretBytes(copy.token(copy.tokenCount - 1)), client: client,
            channel: .library)
        guard case .issued(let issued) = try await vault.exchange(refresh) else {
            throw BenchmarkFailure("A refresh was refused.")
        }
        accessToken = issued.pair.accessToken.withExposed { String(decoding: $0, as: UTF8.self) }
    }

    static let encodedRedirectURI =
        PopulatedVault.redirectURI.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? ""

    /// A file of refresh tokens not used before.
    mutating func refreshTokens(_ count: Int) throws -> String {
        defer { next += count }
        return try write((next..<next + count).map { String(decoding: copy.token($0), as: UTF8.self) })
    }

    /// What the token endpoint answers to a refresh.
    mutating func answer(of url: String) throws -> String {
        defer { next += 1 }
        let token = String(decoding: copy.token(next), as: UTF8.self)
        return try HTTPBenchmark.run(
            "curl",
            [
                "-sf", "-H", "Authorization: " + basic, "-d",
                "grant_type=refresh_token&refresh_token=" + token, url,
            ])
    }

    /// A file of new codes.
    func codes(_ count: Int) async throws -> String {
        let callers = 256
        let codes = try await withThrowingTaskGroup(of: [String].self) { [source] group in
            for caller in 0..<callers {
                group.addTask {
                    var codes: [String] = []
                    for _ in stride(from: caller, to: count, by: callers) {
                        let code = try await source.authorize(
                            user: "user\(caller)", redirectURI: PopulatedVault.redirectURI)
                        codes.append(code.withExposed { String(decoding: $0, as: UTF8.self) })
                    }
                    return codes
                }
            }
            return try await group.reduce(into: []) { $0 += $1 }
        }
        return try write(codes)
    }

    func close() async { await vault.close() }

    private func write(_ lines: [String]) throws -> String {
        let path = copy.vault.directory + "/wrk-lines"
        try Data((lines.joined(separator: "\n") + "\n").utf8).write(to: URL(fileURLWithPath: path))
        return path
    }
}
