import Foundation
import Synchronization
import TokenKeeper
import TokenVault
import TokenVaultTesting
import VaultCore

/// A clock that stands until a test moves it.
final class StoppedClock: Sendable {
    private let instant = Mutex(VaultInstant(millisecondsSince1970: 1_795_532_400_000))

    var now: VaultInstant { instant.withLock { $0 } }

    func advance(_ duration: Duration) { instant.withLock { $0 = $0.advanced(by: duration) } }
}

/// A scripted provider with a stopped clock, and a client that speaks its dialect by hand.
struct ScriptedBench {
    let clock = StoppedClock()
    let provider: ScriptedProvider

    init(
        _ entry: Provider = .plain, replay: Provider.ReplayPolicy? = nil, seed: UInt64 = 1,
        faults: FaultScript = FaultScript(), change: (inout ScriptedOptions) -> Void = { _ in }
    ) {
        var options = ScriptedOptions(entry)
        change(&options)
        provider = ScriptedProvider(
            entry, replay: replay, options: options, seed: seed, faults: faults, now: { [clock] in clock.now }
        )
    }

    /// A refresh by form and Basic.
    func refresh(_ token: String, _ extra: String = "") -> ScriptedReply {
        post("/token", "grant_type=refresh_token&refresh_token=" + token + extra)
    }

    func post(_ path: String, _ form: String) -> ScriptedReply {
        ScriptedReply(provider.handle(.form(path, form)))
    }

    /// The status of an API for an access token in the header.
    func use(_ accessToken: String) -> Int {
        provider.handle(
            ScriptedRequest("GET", "/resource", headers: [("Authorization", "Bearer " + accessToken)])
        ).status
    }
}

extension ScriptedRequest {
    static let credentials =
        "Basic "
        + Data("scripted-client:scripted%2Fsecret%2Bwith%3Aeverything%20%26%3D%25".utf8).base64EncodedString()

    static func form(
        _ path: String, _ form: String, authorization: String? = ScriptedRequest.credentials,
        type: String = "application/x-www-form-urlencoded"
    ) -> Self {
        let header = authorization.map { [("Authorization", $0)] } ?? []
        return Self("POST", path, headers: [("Content-Type", type)] + header, body: form)
    }
}

/// An answer as a client looks at it.
struct ScriptedReply {
    let status: Int
    private let tree: [String: Any]

    init(_ answer: ScriptedAnswer) { self.init(status: answer.status, body: Data(answer.body)) }

    init(status: Int, body: Data) {
        self.status = status
        tree = (try? JSONSerialization.jsonObject(with: body)) as? [String: Any] ?? [:]
    }

    subscript(path: String) -> String? {
        var value: Any? = tree
        for name in path.split(separator: ".") {
            value =
                Int(name).flatMap { index in (value as? [Any]).map { $0[index] } }
                ?? (value as? [String: Any])?[String(name)]
        }
        return (value as? String) ?? (value as? NSNumber)?.stringValue
    }

    var access: String { self["access_token"] ?? "" }
    var refresh: String { self["refresh_token"] ?? "" }
    var error: String? { self["error"] }
}

extension Provider {
    /// Nothing but the standards.
    static var plain: Provider {
        var endpoints = Endpoints(token: "https://provider.example/oauth/token")
        endpoints.authorization = "https://provider.example/oauth/authorize"
        endpoints.revocation = "https://provider.example/oauth/revoke"
        endpoints.deviceAuthorization = "https://provider.example/oauth/device"
        endpoints.issuer = "https://provider.example"
        return Provider(name: "plain", title: "Plain", endpoints: endpoints)
    }
}
