import Foundation
import TestSupport
import Testing

/// Settings by flag, environment and file, in this order, and nothing misspelt passes.
@Suite("Settings of the service", .bounded)
struct SettingsTests {
    private func settings(
        _ file: String, _ arguments: [String] = [], environment: [String: String] = [:]
    ) async throws -> [String: [String]] {
        let place = try Workplace()
        try place.write(file, to: "serve.json")
        let ending = try await place.run(
            ["serve", "--config", "serve.json", "--check-config", "--json"] + arguments,
            environment: environment)
        #expect(ending.status == 0, "\(ending.complaints)")
        var settings: [String: [String]] = [:]
        for line in ending.outputLines {
            let object = try Ending.object(line)
            guard let name = object["setting"] as? String, let value = object["value"] as? String,
                let source = object["source"] as? String
            else { throw Missing.value("a setting in \(line)") }
            settings[name] = [value, source]
        }
        return settings
    }

    @Test func `flags win over the environment, that over the file, and that over defaults`() async throws {
        let file = """
            {"listen": "127.0.0.1:1", "issuer": "https://file.example", "profile": "quantimodo",
             "max-connections": 7, "idle-timeout": "5m", "keep-log": "forever",
             "keep-log-size": "10GB", "vault": "/file/vault"}
            """
        let settings = try await settings(
            file, ["--listen", "127.0.0.1:3"],
            environment: [
                "TOKENVAULT_LISTEN": "127.0.0.1:2", "TOKENVAULT_ISSUER": "https://environment.example",
            ])
        #expect(settings["listen"] == ["127.0.0.1:3", "flag"])
        #expect(settings["issuer"] == ["https://environment.example", "environment"])
        #expect(settings["profile"] == ["quantimodo", "file"])
        #expect(settings["max-connections"] == ["7", "file"])
        #expect(settings["idle-timeout"] == ["5m", "file"])
        #expect(settings["keep-log"] == ["forever", "file"])
        #expect(settings["keep-log-size"] == ["10GB", "file"])
        #expect(settings["log-level"] == ["info", "default"])
        // The tests' own environment names a vault and a key file.
        #expect(settings["vault"] == ["V", "environment"])
        #expect(settings["key-file"] == ["K", "environment"])
        #expect(settings["tls-key"] == nil)
    }

    @Test func `an empty variable counts as not set`() async throws {
        let settings = try await settings(
            #"{"listen": "127.0.0.1:1"}"#, environment: ["TOKENVAULT_LISTEN": "", "TOKENVAULT_PATH": ""])
        #expect(settings["listen"] == ["127.0.0.1:1", "file"])
        #expect(settings["idle-timeout"] == ["60s", "default"])
        #expect(settings["keep-log"] == ["400d", "default"])
        #expect(settings["keep-log-size"] == nil)
        #expect(settings["vault"] == nil)
    }

    @Test func `a registration token that could be guessed is refused at the start`() async throws {
        let place = try Workplace()
        for (token, isTaken) in [("0123456789abcde", false), ("0123456789abcdef", true)] {
            try place.write(token + "\n", to: "token")
            let ending = try await place.run(
                ["serve", "--check-config", "--registration-token-file", "token"])
            #expect((ending.status == 0) == isTaken, "\(ending.complaints)")
            #expect(isTaken || ending.complaints.contains("shorter than 16 bytes"), "\(ending.complaints)")
            #expect(!ending.complaints.contains(token))
        }
    }

    @Test func `the service obeys the file, and a file named by the environment`() async throws {
        let place = try await Workplace.withVault()
        try place.write(
            #"{"vault": "V", "key-file": "K", "admin-listen": "127.0.0.1:0", "log-format": "json"}"#,
            to: "serve.json")
        let service = try await RunningService(
            in: place,
            environment: [
                "TOKENVAULT_CONFIG": "serve.json", "TOKENVAULT_PATH": "", "TOKENVAULT_KEY_FILE": "",
            ])
        #expect(service.admin != nil)
        #expect(await service.end(by: SIGTERM) == 0)
    }

    @Test func `connections end after idle-timeout, and those of HTTP/1.0 with the answer, metrics too`()
        async throws
    {
        let place = try await Workplace.withVault()
        let service = try await RunningService(
            in: place, ["--idle-timeout", "1s", "--admin-listen", "127.0.0.1:0"])
        try place.write(
            """
            import socket, sys
            for port, request in zip(sys.argv[1:], [b"health/live HTTP/1.1\\r\\nHost: a", b"metrics HTTP/1.0"]):
                wire = socket.create_connection(("127.0.0.1", int(port)), timeout=20)
                wire.sendall(b"GET /" + request + b"\\r\\n\\r\\n")
                answer = b""
                while piece := wire.recv(65536):
                    answer += piece
                print(answer.split(b"\\r\\n")[0].decode())
            """, to: "silent.py")
        let ports = try [service.url, #require(service.admin)].map { url in
            try #require(url.split(separator: ":").last)
        }
        let said = try await place.shell("python3 silent.py \(ports.joined(separator: " "))")
        #expect(
            said.outputLines == ["HTTP/1.1 200 OK", "HTTP/1.1 200 OK"], "\(said.output)\(said.complaints)")
        #expect(await service.end(by: SIGTERM) == 0)
    }

    @Test func `a key of the file gives way to one of the environment, and that to a flag`() async throws {
        let place = try await Workplace.withVault()
        try place.write(#"{"credential": "none"}"#, to: "serve.json")
        let service = try await RunningService(in: place, ["--config", "serve.json"])
        #expect(await service.end(by: SIGTERM) == 0)
        let refused = try await place.run(
            ["serve", "--listen", "127.0.0.1:0", "--key-file", "nowhere"],
            environment: ["TOKENVAULT_CREDENTIAL": "none"])
        #expect(refused.status == 3 && refused.complaints.contains("nowhere"), "\(refused.complaints)")
        let both = try await place.run(["serve"], environment: ["TOKENVAULT_CREDENTIAL": "none"])
        #expect(both.status == 2 && both.complaints.contains("several are named"), "\(both.complaints)")
    }

    @Test func `a key program is named in the file, the environment or a flag, as other keys are`()
        async throws
    {
        let place = try await Workplace.withVault()
        let program = place.path + "/program"
        try place.write(
            """
            #!/usr/bin/env python3
            import json, sys
            question = json.load(sys.stdin)
            wraps = question["op"] == "wrap"
            print(json.dumps({"blob" if wraps else "key": question["key" if wraps else "blob"]}))
            """, to: "program", mode: 0o700)
        let added = try await place.run(["key", "slot", "add", "--new-key-exec", program])
        #expect(added.status == 0, "\(added.complaints)")
        try place.write("{\"key-exec\": \"\(program)\"}", to: "serve.json")
        let none = ["TOKENVAULT_KEY_FILE": ""]
        let fromFile = try await RunningService(in: place, ["--config", "serve.json"], environment: none)
        #expect(await fromFile.end(by: SIGTERM) == 0)
        let named = none.merging(["TOKENVAULT_KEY_EXEC": program]) { $1 }
        let fromEnvironment = try await RunningService(in: place, environment: named)
        #expect(await fromEnvironment.end(by: SIGTERM) == 0)
        // A flag wins over the file, and two of one source are told apart by nobody.
        try place.write(#"{"key-file": "nowhere"}"#, to: "serve.json")
        let fromFlag = try await RunningService(
            in: place, ["--config", "serve.json", "--key-exec", program], environment: none)
        #expect(await fromFlag.end(by: SIGTERM) == 0)
        let both = try await place.run(["serve"], environment: ["TOKENVAULT_KEY_EXEC": program])
        #expect(both.status == 2 && both.complaints.contains("several are named"), "\(both.complaints)")
    }

    @Test(arguments: [
        (#"{"lisen": "127.0.0.1:1"}"#, "'lisen'"), (#"{"tls": {"key": "x"}}"#, "'tls'"),
        (#"{"listen": 8080}"#, "'listen' in serve.json must be a string"),
        (#"{"max-connections": "7"}"#, "'max-connections' in serve.json must be a whole number"),
        (#"{"max-connections": true}"#, "'max-connections' in serve.json must be a whole number"),
        (#"{"max-connections": 0}"#, "'max-connections' is 1 to 1000000"),
        (#"{"idle-timeout": 60}"#, "'idle-timeout' in serve.json must be a string"),
        (#"{"idle-timeout": "0s"}"#, "'idle-timeout' is 1s to 1h"),
        (#"{"idle-timeout": "2h"}"#, "'idle-timeout' is 1s to 1h"),
        (#"{"keep-log": "29d"}"#, "'keep-log' is 30d or more"),
        (#"{"keep-log": "always"}"#, "'keep-log' is 30d or more"),
        (#"{"keep-log-size": "10"}"#, "'keep-log-size' is a number of MB, GB or TB"),
        (#"{"keep-log-size": "0GB"}"#, "'keep-log-size' is a number of MB, GB or TB"),
        (#"{"listen": "nowhere"}"#, "'listen' is HOST:PORT"), (#"{"issuer": null}"#, "'issuer'"),
        (#"{"log-format": "xml"}"#, "'log-format' is text or json"),
        (#"{"front-socket": "/s"}"#, "The front's socket and its user go together"),
        (#"{"front-user": "root"}"#, "The front's socket and its user go together"),
        (#"{"front-socket": "/s", "front-user": "no such user"}"#, "'front-user' is a user of this machine"),
        (#"{"front-socket": "/s", "front-user": "65534"}"#, "The front's user cannot be 65534"),
        (#"{"front-socket": "s", "front-user": "root"}"#, "The front's socket is a path from the root"),
        (#"{"passphrase": "hunter2-hunter2"}"#, "'passphrase'"),
        ("[]", "is not a JSON object"), ("{", "is not a JSON object"), ("", "is not a JSON object"),
    ])
    func `what the file has wrong is refused by name`(_ file: String, _ sentence: String) async throws {
        let place = try Workplace()
        try place.write(file, to: "serve.json")
        let ending = try await place.run(["serve", "--config", "serve.json", "--check-config"])
        #expect(ending.status == 2)
        #expect(ending.complaints.contains(sentence), "\(ending.complaints)")
        #expect(!ending.complaints.contains("hunter2"))
    }

    @Test(arguments: [
        ("TOKENVAULT_MAX_CONNECTIONS", "many", "must be a whole number"),
        ("TOKENVAULT_LISTEN", "nowhere", "'listen' is HOST:PORT"),
        ("TOKENVAULT_IDLE_TIMEOUT", "60", "'idle-timeout' is 1s to 1h"),
        ("TOKENVAULT_KEEP_LOG", "719h", "'keep-log' is 30d or more"),
        ("TOKENVAULT_LOG_LEVEL", "loud", "'log-level' is trace"),
    ])
    func `what the environment has wrong is refused by the variable's name`(
        _ variable: String, _ value: String, _ sentence: String
    ) async throws {
        let ending = try await Workplace().run(["serve", "--check-config"], environment: [variable: value])
        #expect(ending.status == 2)
        #expect(ending.complaints.contains(sentence), "\(ending.complaints)")
        #expect(ending.complaints.contains(variable))
    }

    @Test func `a variable that is no setting is warned of, its value untold`() async throws {
        let place = try await Workplace.withVault()
        let variables = ["TOKENVAULT_LISTN": "hunter2-hunter2"]
        let checked = try await place.run(["serve", "--check-config"], environment: variables)
        #expect(checked.complaints == "TOKENVAULT_LISTN is not a setting.\n")
        let service = try await RunningService(in: place, environment: variables)
        #expect(await service.end(by: SIGTERM) == 0)
        #expect(try service.log().contains("TOKENVAULT_LISTN"))
        #expect(try !(service.log() + checked.output).contains("hunter2"))
    }

    @Test func `a file that anybody may write is refused`() async throws {
        let place = try Workplace()
        try place.write("{}", to: "serve.json", mode: 0o666)
        let ending = try await place.run(["serve", "--config", "serve.json", "--check-config"])
        #expect(ending.status == 4, "\(ending.complaints)")
        #expect(try await place.run(["serve", "--config", "none"]).status == 3)
        #expect(try await place.run(["serve", "--config", "."]).status == 2)
    }

    @Test func `one that names a key program is for its owner alone to write`() async throws {
        let place = try Workplace()
        let arguments = ["serve", "--config", "serve.json", "--check-config"]
        try place.write(#"{"key-exec": "/usr/bin/true"}"#, to: "serve.json", mode: 0o660)
        let refused = try await place.run(arguments)
        #expect(refused.status == 4, "\(refused.complaints)")
        #expect(refused.complaints.contains("chmod go-w"), "\(refused.complaints)")
        try place.write(#"{"key-exec": "/usr/bin/true"}"#, to: "serve.json", mode: 0o640)
        #expect(!(try await place.run(arguments)).complaints.contains("chmod"))
        try place.write(#"{"listen": "127.0.0.1:1"}"#, to: "serve.json", mode: 0o660)
        #expect(!(try await place.run(arguments)).complaints.contains("chmod"))
    }

    @Test func `people get a table`() async throws {
        let ending = try await Workplace().run(["serve", "--check-config"])
        #expect(ending.outputLines.first?.contains("SETTING") == true)
        #expect(ending.output.contains("listen            127.0.0.1:8080  default"))
    }
}
