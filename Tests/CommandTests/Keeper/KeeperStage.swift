import Foundation
import TokenKeeper
import TokenVaultTesting

/// A vault with the user alice and the provider `scripted`, which is a scripted server on loopback.
struct KeeperStage: Sendable {
    static let scope = "read write"

    let place: Workplace
    let server: ScriptedServer

    var provider: ScriptedProvider { server.provider }
    /// Of the client that the server knows.
    var clientSecret: String { ScriptedOptions(provider.entry).clientSecret }

    /// Runs `body` on a stage of its own.
    ///
    /// - Parameters:
    ///   - lines: more of the provider's entry.
    ///   - place: where a vault is; nil: makes one.
    ///   - change: of how the server behaves.
    static func run(
        adding lines: String = "", in place: Workplace? = nil,
        _ change: (inout ScriptedOptions) -> Void = { _ in },
        _ body: (KeeperStage) async throws -> Void
    ) async throws {
        let entry = try ProviderReader.read(yaml(at: "https://scripted.example") + lines, file: "test")
        var options = ScriptedOptions(entry)
        change(&options)
        try await withScriptedServer(ScriptedProvider(entry, options: options, seed: 11)) { server in
            let ready: Workplace
            if let place { ready = place } else { ready = try await Workplace.withVault() }
            let stage = KeeperStage(place: ready, server: server)
            try await stage.prepare(adding: lines)
            try await body(stage)
        }
    }

    /// What an operator would write for such a server.
    static func yaml(at url: String) -> String {
        """
        name: scripted
        title: A scripted server
        endpoints:
          authorization: \(url)/authorize
          token: \(url)/token
          revocation: \(url)/revoke
          device_authorization: \(url)/device
          issuer: \(url)
        client: basic
        refresh:
          rotates: true
          replay: revokes

        """
    }

    private func prepare(adding lines: String) async throws {
        try place.write(Self.yaml(at: server.url) + lines, to: "scripted.yaml")
        try place.write(clientSecret, to: "secret")
        _ = try await done(["user", "add", "alice"])
        _ = try await done([
            "provider", "add", "scripted", "--file", "scripted.yaml", "--client-id", "scripted-client",
            "--client-secret-file", "secret", "--scope", Self.scope,
        ])
    }

    /// Runs a command that must succeed.
    func done(_ arguments: [String]) async throws -> Ending {
        let ending = try await place.run(arguments)
        guard ending.status == 0 else {
            throw Missing.value("\(arguments) to succeed: \(ending.status) \(ending.complaints)")
        }
        return ending
    }

    /// Plays the browser: follows the address that `connect` shows, to the server and back to the command.
    ///
    /// - Parameters:
    ///   - options: of `connection connect`.
    ///   - before: lines of shell that run before the browser does, with the address in `$url`.
    func connect(_ options: String = "--user alice", before: String = "") async throws -> Ending {
        try place.write(
            """
            : > events
            tokenvault connection connect scripted \(options) --json > connected 2>> events & P=$!
            until grep -q '"url"' events; do kill -0 $P || { cat events >&2; exit 99; }; done
            url=$(sed -n 's/.*"url":"\\([^"]*\\)".*/\\1/p' events)
            back=$(sed -n 's/.*"redirect_uri":"\\([^"]*\\)".*/\\1/p' events)
            \(before)
            curl --silent --location "$url" > page
            status=0; wait $P || status=$?
            cat connected; cat events >&2; exit $status
            """, to: "browser")
        return try await place.shell("sh ./browser")
    }

    /// Connects alice by import, without a browser.
    func importGrant() async throws -> ScriptedTokens {
        let grant = provider.grant(scope: ["read", "write"])
        try place.write(grant.accessToken + "\n", to: "access")
        try place.write((grant.refreshToken ?? "") + "\n", to: "refresh")
        _ = try await done([
            "connection", "import", "scripted", "--user", "alice", "--access-token-file", "access",
            "--refresh-token-file", "refresh", "--expires-in", "1h", "--scope", Self.scope,
        ])
        return grant
    }
}
