import Foundation
import TestSupport
import Testing

/// In a network with public addresses, names and an authority of its own, through the process that serves the service.
@Suite(.bounded) struct `A stranger's server gets one bounded question` {
    @Test func `bounds, redirects, names and addresses`() throws {
        let good = "https://good.example"
        let expected = [
            "\(good)/doc": "ok 210",
            "\(good)/redirect": "answer", "\(good)/missing": "answer",
            "\(good)/page": "content", "\(good)/packed": "content",
            "\(good)/long": "tooLarge", "keys:\(good)/long": "ok 5121", "\(good)/endless": "tooLarge",
            "keys:\(good)/endless": "tooLarge", "\(good)/headers": "tooLarge", "\(good)/early": "tooLarge",
            "\(good)/slow": "timeout", "\(good)/silent": "timeout", "\(good)/cut": "tls",
            // Its certificate is for other names.
            "https://stranger.example/doc": "tls",
            // The first of its addresses is not reached, the second is.
            "https://dead.example/doc": "ok 210",
            "https://nothing.example/doc": "nameLookup",
            "https://loopback.example/doc": "address", "https://both.example/doc": "address",
            "https://inner.example/doc": "address", "in:https://inner.example/doc": "ok 211",
            "in:https://cloud.example/doc": "address", "https://cloud.example/doc": "address",
            "https://mapped.example/doc": "address", "in:https://mapped.example/doc": "address",
            "https://nat64.example/doc": "address", "https://sixtofour.example/doc": "address",
            "https://local6.example/doc": "address", "https://loopback6.example/doc": "address",
            "https://127.0.0.1/doc": "refused", "https://0x7f000001/doc": "refused",
        ]
        let said = try Worker.run(["fetch"] + expected.keys, isAlone: true)
        for (what, outcome) in expected { #expect(said[what] == outcome, "\(what)") }
        let hits = try seen(said)["hits"] ?? [:]
        #expect(hits["127.0.0.1"] == nil, "nobody was led inside")
        #expect(hits["169.254.169.254"] == nil)
        #expect(hits["10.9.8.7"] == 1)
    }

    @Test func `a name that changes its mind is asked for once and judged each time`() throws {
        let url = "https://rebind.example/doc"
        let said = try Worker.run(["fetch", url, url], isAlone: true)
        #expect(said[url] == "ok 212; address")
        let seen = try seen(said)
        #expect(seen["names"]?["rebind.example"] == 2)
        #expect(seen["hits"]?["127.0.0.1"] == nil)
    }

    @Test func `one slow server holds two connections, and keeps no one waiting`() throws {
        let (slow, good) = ("many:https://good.example/silent", "https://other.example/doc")
        let said = try Worker.run(["fetch", slow, good], isAlone: true)
        #expect(said[slow] == "38 busy, 2 timeout")
        #expect(said[good] == "ok 211")
        #expect(try seen(said)["hits"]?["93.184.215.14"] == 2)
    }

    @Test func `strangers who hold all of their places hold none of known clients`() throws {
        let said = try Worker.run(["full"], isAlone: true)
        #expect(said["stranger"] == "busy")
        #expect(said["known"] == "ok 210")
    }

    private func seen(_ said: [String: String]) throws -> [String: [String: Int]] {
        try JSONDecoder().decode(
            [String: [String: Int]].self, from: Data(try #require(said["seen"]).utf8))
    }
}
