import AsyncHTTPClient
import Hummingbird
import Logging
import NIOCore
import ProviderHTTP
import TokenKeeper
import TokenVault
import VaultAudit

/// A service that reads its user's measurements at a provider. It asks for consent once, and refreshes the tokens.
///
/// `KeepTokens PROVIDER API [PORT]` uses the vault `vault` with the key file `vault.key` of the current folder. Run
/// `tokenvault provider add PROVIDER` and `tokenvault user add alice` first.
@main struct KeepTokens {
    static func main() async throws {
        let arguments = Array(CommandLine.arguments.dropFirst())
        guard arguments.count >= 2 else { return print("usage: KeepTokens PROVIDER API [PORT]") }
        let (provider, api) = (arguments[0], arguments[1])
        let port = arguments.dropFirst(2).first.flatMap { Int($0) } ?? 8080
        let here = "http://127.0.0.1:\(port)"

        let vault = try await Vault.open(at: "vault", unlockedBy: .keyFile(path: "vault.key"))
        let transport = try AsyncHTTPTransport()
        let keeper = TokenKeeper(vault: vault, transport: transport)
        let calls = try ProviderConnections()
        let alice = try await vault.users.find("alice").id

        let router = Router()
        // The user consents: the browser goes to the provider and returns to /callback.
        router.get("connect") { _, _ in
            let session = BrowserSession()
            let begun = try await keeper.begin(
                ConsentRequest(
                    provider: provider, user: alice, redirectURI: here + "/callback", session: session.secret)
            )
            return Response(
                status: .seeOther, headers: [.location: begun.url, .setCookie: session.cookie])
        }
        router.get("callback") { request, _ in
            guard let session = BrowserSession(request), let query = request.uri.query,
                let callback = ConsentCallback(query: query)
            else { throw HTTPError(.badRequest) }
            do {
                _ = try await keeper.complete(callback, session: session.secret)
                return "Connected.\n"
            } catch let error as KeeperError {
                throw HTTPError(.badRequest, message: error.message)
            }
        }
        // A call of the provider's API: the client refreshes the token if needed.
        router.get("measurements") { _, _ in
            guard let connection = try await keeper.connection(at: provider, of: alice) else {
                throw HTTPError(.notFound, message: "Not connected yet: open \(here)/connect")
            }
            do {
                let client = try keeper.client(for: connection.id, over: calls)
                let answer = try await client.execute(HTTPClientRequest(url: api))
                let body = try await answer.body.collect(upTo: 1 << 20)
                return Response(
                    status: .init(code: Int(answer.status.code)), body: ResponseBody(byteBuffer: body))
            } catch ProviderClientError.needsConsent {
                throw HTTPError(.conflict, message: "Connect again: \(here)/connect")
            } catch ProviderClientError.unavailable(let wait) {
                throw HTTPError(
                    .serviceUnavailable, headers: [.retryAfter: "\(wait.components.seconds + 1)"],
                    message: nil)
            }
        }

        var application = Application(
            router: router, configuration: .init(address: .hostname("127.0.0.1", port: port)),
            logger: Logger(label: "keep-tokens"))
        // Refreshes tokens before they expire, and recovers after a crash.
        application.addServices(
            try await VaultService(vault, isIssuing: false), KeeperService(keeper))
        // Answers in flight are stored before the vault closes.
        vault.beforeClosing {
            await keeper.finish()
            await calls.shutdown()
            await transport.shutdown()
        }
        try await application.runService()
    }
}

/// Binds a consent to the browser that began it; a real service uses its own session.
struct BrowserSession {
    let value: String

    init() { value = (0..<32).map { _ in String(UInt8.random(in: 0...15), radix: 16) }.joined() }

    init?(_ request: Request) {
        guard let cookie = request.cookies["keep_tokens"]?.value else { return nil }
        value = cookie
    }

    var secret: SecretBytes { SecretBytes(copying: value) }
    var cookie: String { "keep_tokens=\(value); Path=/; HttpOnly; SameSite=Lax" }
}
