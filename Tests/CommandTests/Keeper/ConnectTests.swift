import Foundation
import TestSupport
import Testing
import TokenVaultTesting

/// From no connection to one: by browser, by device, by import.
@Suite("`connection connect`: RFC 8252 section 7.3, RFC 8628", .bounded)
struct ConnectTests {
    @Test func `a user is connected through the loopback callback`() async throws {
        try await KeeperStage.run { stage in
            let connected = try await stage.connect()
            #expect(connected.status == 0, "\(connected.complaints)")
            let object = try connected.object()
            #expect(object["provider"] as? String == "scripted")
            #expect(object["user"] as? String == "alice")
            #expect(object["state"] as? String == "live")
            #expect(object["generation"] as? Int == 1)
            #expect(object["scope"] as? String == "read write")
            #expect(try stage.place.text("page").contains("Connected."))
            let event = try Ending.object(#require(connected.complaintLines.first))
            #expect((event["redirect_uri"] as? String)?.hasPrefix("http://127.0.0.1:") == true)
            let list = try await stage.done(["connection", "list", "--state", "live"])
            #expect(list.outputLines.count == 2)
        }
    }

    @Test func `what is not the user's return is turned away, and the return is still awaited`() async throws
    {
        try await KeeperStage.run { stage in
            let connected = try await stage.connect(
                before: """
                    ask() { curl --silent --output /dev/null --write-out '%{http_code} ' "$@" >> seen; }
                    ask "$back?code=forged&state=forged"
                    ask "$back"
                    ask -H 'Host: rebound.example' "$back?code=a"
                    ask -X POST -d x=y "$back"
                    ask "${back}/other"
                    ask "$back?$(head -c 30000 /dev/zero | tr '\\0' a)"
                    """)
            #expect(connected.status == 0, "\(connected.complaints)")
            let seen = try stage.place.text("seen").split(separator: " ")
            #expect(seen.prefix(3) == ["400", "400", "421"], "\(seen)")
            #expect(["413", "405"].contains(seen[3]), "\(seen)")
            #expect(seen.dropFirst(4) == ["404", "414"], "\(seen)")
        }
    }

    @Test func `a user who says no is 4, and nothing is stored`() async throws {
        try await KeeperStage.run {
            $0.consent = .denied
        } _: { stage in
            let denied = try await stage.connect()
            #expect(denied.status == 4, "\(denied.complaints)")
            #expect(
                try Ending.object(#require(denied.complaintLines.last))["error"] as? String == "access_denied"
            )
            #expect(try stage.place.text("page").contains("Access was not granted."))
            #expect(try await stage.done(["connection", "list", "--json"]).output.isEmpty)
        }
    }

    @Test func `nobody coming back in time is 9`() async throws {
        try await KeeperStage.run { stage in
            let late = try await stage.place.run([
                "connection", "connect", "scripted", "--user", "alice", "--timeout", "1s",
            ])
            #expect(late.status == 9, "\(late.complaints)")
            #expect(
                late.complaints.contains("Open this address to consent:\n  \(stage.server.url)/authorize?"))
        }
    }

    @Test func `a registered redirect URI is used to the letter`() async throws {
        try await KeeperStage.run { stage in
            let port = try FreePort.find()
            let uri = "http://localhost:\(port)/cb"
            let connected = try await stage.connect(
                "--user alice --listen 127.0.0.1:\(port) --redirect-uri \(uri)")
            #expect(connected.status == 0, "\(connected.complaints)")
            let event = try Ending.object(#require(connected.complaintLines.first))
            #expect(event["redirect_uri"] as? String == uri)
        }
    }

    @Test func `a redirect URI elsewhere may lead here, under its own name`() async throws {
        try await KeeperStage.run { stage in
            let port = try FreePort.find()
            let connected = try await stage.connect(
                "--user alice --listen 127.0.0.1:\(port) --redirect-uri https://tunnel.example/cb",
                before: """
                    to=$(curl --silent --output /dev/null --write-out '%{redirect_url}' "$url")
                    curl --silent -H 'Host: tunnel.example' "http://127.0.0.1:\(port)/cb?${to#*\\?}" > answer
                    url=http://127.0.0.1:\(port)/gone
                    """)
            #expect(connected.status == 0, "\(connected.complaints)")
            #expect(try stage.place.text("answer") == "Connected. You can close this page.\n")
        }
    }

    @Test func `a listener that others could reach is refused before anything is asked`() async throws {
        try await KeeperStage.run { stage in
            for options in [
                ["--listen", "0.0.0.0:0"], ["--redirect-uri", "https://app.example/cb"],
                ["--redirect-uri", "http://app.example/cb"],
            ] {
                let refused = try await stage.place.run(
                    ["connection", "connect", "scripted", "--user", "alice"] + options)
                #expect(refused.status == 2, "\(options): \(refused.complaints)")
                #expect(refused.complaints.contains("  → "), "\(options)")
            }
        }
    }

    @Test(arguments: [true, false])
    func `a device waits for its user, who approves or not`(_ approves: Bool) async throws {
        try await KeeperStage.run {
            $0.devicePollInterval = .seconds(1)
        } _: { stage in
            let place = stage.place
            async let connecting = place.shell(
                "tokenvault connection connect scripted --user alice --device --json 2> events")
            var code: String?
            while code == nil {
                await Task.yield()
                code = (try? place.text("events"))?.firstMatch(of: /"user_code":"([^"]+)"/).map {
                    String($0.output.1)
                }
            }
            let isKnown =
                approves
                ? stage.provider.approveDevice(userCode: code ?? "")
                : stage.provider.denyDevice(userCode: code ?? "")
            #expect(isKnown)
            let connected = try await connecting
            #expect(connected.status == (approves ? 0 : 4), "\(connected.output)")
            if approves { #expect(try connected.object()["state"] as? String == "live") }
        }
    }

    @Test func `another account takes the place of the connected one with --replace-account alone`()
        async throws
    {
        try await KeeperStage.run(adding: "replies: {kept: [account], account: account}\n") {
            $0.keptValues = ["account": "first"]
        } _: { stage in
            let first = try await stage.connect()
            #expect(first.status == 0, "\(first.complaints)")
            stage.provider.configure { $0.keptValues = ["account": "second"] }
            let refused = try await stage.connect()
            #expect(refused.status == 4, "\(refused.complaints)")
            let last = try Ending.object(#require(refused.complaintLines.last))
            #expect(last["error"] as? String == "other_account")
            #expect((last["remedy"] as? String)?.contains("--replace-account") == true)
            let kept = try await stage.done(["connection", "show", "scripted/alice", "--json"]).object()
            #expect(kept["generation"] as? Int == 1 && kept["state"] as? String == "live")
            let replaced = try await stage.connect("--user alice --replace-account")
            #expect(replaced.status == 0, "\(replaced.complaints)")
            #expect(try replaced.object()["connection"] as? Int == first.object()["connection"] as? Int)
            #expect(try replaced.object()["generation"] as? Int == 2)
            let own = try await stage.place.run([
                "connection", "connect", "scripted", "--client-credentials", "--replace-account",
            ])
            #expect(own.status == 2, "\(own.complaints)")
        }
    }

    @Test func `tokens of the client's own have no user`() async throws {
        try await KeeperStage.run { stage in
            let own = try await stage.done([
                "connection", "connect", "scripted", "--client-credentials", "--json",
            ]).object()
            #expect(own["kind"] as? String == "client_credentials")
            #expect(own["user"] == nil)
            let shown = try await stage.done(["connection", "show", "scripted", "--json"]).object()
            #expect(shown["connection"] as? Int == own["connection"] as? Int)
        }
    }

    @Test func `an import is unverified until its first refresh, and loose files are refused`() async throws {
        try await KeeperStage.run { stage in
            let grant = try await stage.importGrant()
            let kept = try await stage.done(["connection", "show", "scripted/alice", "--json"]).object()
            #expect(kept["verified"] as? Bool == false)
            let refreshed = try await stage.done([
                "connection", "refresh", "scripted/alice", "--json",
            ]).object()
            #expect(refreshed["verified"] as? Bool == true)
            #expect(stage.provider.redemptions(of: grant.family).first == 1)
            try stage.place.write("token", to: "loose", mode: 0o644)
            let loose = try await stage.place.run([
                "connection", "import", "scripted", "--user", "alice", "--label", "other",
                "--refresh-token-file", "loose",
            ])
            #expect(loose.status == 4)
            #expect(loose.complaints.contains("chmod 600 loose"))
        }
    }
}

/// A port that nobody listens at, as far as one can know.
enum FreePort {
    static func find() throws -> Int {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = in_addr_t(INADDR_LOOPBACK).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let code = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                bind(descriptor, address, length) == 0 ? getsockname(descriptor, address, &length) : -1
            }
        }
        guard code == 0 else { throw Missing.value("a free port") }
        return Int(UInt16(bigEndian: address.sin_port))
    }
}
