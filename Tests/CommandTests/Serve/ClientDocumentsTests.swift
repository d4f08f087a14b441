import Foundation
import TestSupport
import Testing

/// `serve --client-documents` in a network with public addresses, names and an authority of its own.
@Suite(.bounded) struct `serve reads what clients publish, from public addresses only` {
    private static let network = URL(filePath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().appending(path: "Interop/open_net.py").path

    /// Asks the authorization endpoint as a browser without a session does, for clients of several addresses.
    private static let script = #"""
        tokenvault serve --listen 127.0.0.1:8080 --client-documents --registration off --registration-scope basic \
          --inner-jwks-hosts inner.example --ready-file ready 2>serve.log &
        service=$!
        until test -s ready; do kill -0 $service || exit 99; done
        ask() {
          curl --silent --output page --write-out "$1 %{http_code}\n" --get http://127.0.0.1:8080/oauth2/authorize \
            --data-urlencode "client_id=$1" --data-urlencode redirect_uri=http://127.0.0.1/callback \
            --data scope=basic --data response_type=code --data code_challenge_method=S256 \
            --data code_challenge=7w_YNF9DSfIdPf_pRjSq646_kPr-2-o9NAl16JGghdM
        }
        for client in https://good.example/doc https://good.example/redirect https://good.example/long \
          https://stranger.example/doc https://loopback.example/doc https://inner.example/doc \
          https://rebind.example/doc https://127.0.0.1/doc; do ask $client; done
        pgrep --parent $service --full fetch-documents >child && echo child: $(wc -l <child)
        kill -KILL $(cat child)
        until test "$(ask https://other.example/doc)" = "https://other.example/doc 200"; do
          kill -0 $service || exit 98
        done
        kill -TERM $service && wait $service && echo ended: $?
        """#

    @Test func `a client's document is read, an inner address never, and a fetcher that dies is replaced`()
        async throws
    {
        let place = try await Workplace.withVault()
        try place.write(Self.script, to: "script")
        let ending = try await place.shell(
            "mkdir net && unshare --user --map-root-user --net --mount python3 \(Self.network) net sh ./script"
        )
        #expect(ending.status == 0, "\(ending.complaints) \((try? place.text("serve.log")) ?? "")")
        let lines = ending.outputLines
        #expect(
            lines.prefix(10) == [
                "https://good.example/doc 200", "https://good.example/redirect 400",
                "https://good.example/long 400",
                "https://stranger.example/doc 400", "https://loopback.example/doc 400",
                // For key sets of registered clients alone.
                "https://inner.example/doc 400", "https://rebind.example/doc 200",
                "https://127.0.0.1/doc 400",
                "child: 1", "ended: 0",
            ], "\(lines)")
        let seen = try #require(lines.last)
        #expect(seen.hasPrefix("seen ") && !seen.contains(#""127.0.0.1":"#) && !seen.contains("10.9.8.7"))
    }
}
