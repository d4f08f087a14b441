import Foundation
import TestSupport
import Testing
import TokenKeeper
import TokenVaultTesting
import VaultCore

/// Files of the repository, and the programs built beside this test bundle.
enum Place {
    static let root = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    static let programs: URL = {
        let places = Bundle.allBundles.map(\.bundleURL) + [URL(fileURLWithPath: CommandLine.arguments[0])]
        let candidates = places.flatMap { [$0, $0.deletingLastPathComponent()] }
        return candidates.first {
            FileManager.default.isExecutableFile(atPath: $0.appendingPathComponent("tokenvault").path)
        } ?? root
    }()

    static func text(_ path: String) throws -> String {
        try String(contentsOf: root.appendingPathComponent(path), encoding: .utf8)
    }
}

/// A bash script in a directory of its own, the programs on its path; everything it started ends with it.
func bash(_ script: String) throws -> (status: Int32, output: String) {
    let directory = FileManager.default.temporaryDirectory.appendingPathComponent(
        "readme-\(UUID().uuidString)")
    try FileManager.default.createDirectory(
        at: directory, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
    defer { try? FileManager.default.removeItem(at: directory) }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/bash")
    process.arguments = [
        "-euo", "pipefail", "-c", "trap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n" + script,
    ]
    process.currentDirectoryURL = directory
    var environment = ProcessInfo.processInfo.environment
    environment["PATH"] = Place.programs.path + ":" + (environment["PATH"] ?? "/usr/bin:/bin")
    process.environment = environment
    let output = Pipe()
    process.standardOutput = output
    process.standardError = output
    try process.run()
    let bytes = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return (process.terminationStatus, String(decoding: bytes, as: UTF8.self))
}

@Suite(.serialized, .bounded) struct `What the README shows works` {
    @Test func `its program is the one that is built`() throws {
        let program = try Place.text("Examples/IssueTokens/IssueTokens.swift")
        #expect(try Place.text("README.md").contains("```swift\n\(program)```"))
    }

    @Test func `its terminal session runs, line by line`() throws {
        let readme = try Place.text("README.md")
        let block = try #require(readme.firstMatch(of: /```console\n((?s).*?)```/)).1
        let commands = block.split(separator: "\n").filter { $0.hasPrefix("$ ") }.map { $0.dropFirst(2) }
        #expect(commands.count >= 10)
        let session = try bash(commands.joined(separator: "\n"))
        #expect(session.status == 0, "\(session.output)")
        #expect(session.output.contains(#"{"access_token":"tv_at_"#), "\(session.output)")
        #expect(session.output.contains(#""expires_in":3600,"refresh_token":"tv_rt_"#), "\(session.output)")
    }

    @Test func `its program serves, and ends when asked`() throws {
        let session = try bash(
            """
            tokenvault init --vault vault --key-file vault.key --create-key-file
            IssueTokens & SERVER=$!
            curl --silent --show-error --fail --retry 20 --retry-delay 1 --retry-connrefused \
                http://127.0.0.1:8080/health/ready
            kill -TERM $SERVER
            wait $SERVER
            echo "ended with $?"
            """)
        #expect(session.status == 0, "Is port 8080 free? \(session.output)")
        #expect(session.output.contains("ended with 0"), "\(session.output)")
    }

    @Test func `every link of the pages in its service with users of its own leads somewhere`() throws {
        let session = try bash(
            #"""
            tokenvault init --vault vault --key-file vault.key --create-key-file
            export TOKENVAULT_PATH=vault TOKENVAULT_KEY_FILE=vault.key
            CLIENT=$(tokenvault client add Diary --redirect-uri https://diary.example/ --scope readmeasurements                 | sed -n 's/^client_id: *//p')
            EmbedIssuer 8083 & SERVICE=$!
            HERE=http://127.0.0.1:8083
            # A page, or its head, with the cookies of one browser.
            get() { curl --silent --show-error --location --cookie-jar jar --cookie jar "$@"; }
            get --retry 20 --retry-delay 1 --retry-connrefused --output health $HERE/health/ready
            ASKED="$HERE/oauth2/authorize?response_type=code&client_id=$CLIENT&redirect_uri=https://diary.example/"
            get --output sign-in "$ASKED"
            grep -q 'name="name"' sign-in
            get --data name=alice --output consent $HERE/sign-in
            grep -q 'Read what your scales' consent
            get --output consents $HERE/account/consents
            grep -q 'href="/sign-out"' consents
            grep -o -h '\(href\|action\)="[^"]*"' consent consents | sed 's/.*="//; s/"$//' | sort -u > links
            while read -r LINK; do
                echo "$LINK $(get --output page --write-out '%{http_code}' "$HERE$LINK")"
            done < links
            kill -TERM $SERVICE
            wait $SERVICE
            echo "ended with $?"
            """#)
        #expect(session.status == 0, "Is port 8083 free? \(session.output)")
        #expect(session.output.contains("ended with 0"), "\(session.output)")
        for link in [
            "/account/consents 200", "/sign-out 200", "/consent 405", "/assets/pages-", "/assets/icon-",
        ] {
            #expect(session.output.contains("\n" + link), "\(session.output)")
        }
        #expect(!session.output.contains(" 404\n"), "\(session.output)")
    }

    @Test func `the keeper's example connects its user and reads what it came for`() async throws {
        var entry = Provider(
            name: "scripted", title: "Scripted", endpoints: .init(token: "https://scripted.example/token"))
        entry.endpoints.authorization = "https://scripted.example/authorize"
        let provider = ScriptedProvider(entry)
        let options = ScriptedOptions(entry)
        try await withScriptedServer(provider) { server in
            let session = try bash(
                """
                tokenvault init --vault vault --key-file vault.key --create-key-file
                export TOKENVAULT_PATH=vault TOKENVAULT_KEY_FILE=vault.key
                tokenvault user add alice
                umask 077
                printf '%s' '\(options.clientSecret)' > secret
                cat > scripted.yaml <<ENTRY
                name: scripted
                title: Scripted
                endpoints:
                  authorization: \(server.url)/authorize
                  token: \(server.url)/token
                ENTRY
                tokenvault provider add scripted --file scripted.yaml --client-id \(options.clientID) \
                    --client-secret-file secret --scope read
                KeepTokens scripted \(server.url)/resource 8082 & SERVICE=$!
                curl --silent --retry 20 --retry-delay 1 --retry-connrefused http://127.0.0.1:8082/measurements
                curl --silent --show-error --fail --location --cookie-jar jar --cookie jar \
                    http://127.0.0.1:8082/connect
                curl --silent --show-error --fail http://127.0.0.1:8082/measurements
                kill -TERM $SERVICE
                wait $SERVICE
                echo "ended with $?"
                """)
            #expect(session.status == 0, "Is port 8082 free? \(session.output)")
            #expect(session.output.contains("Not connected yet"), "\(session.output)")
            #expect(session.output.contains("Connected."), "\(session.output)")
            #expect(session.output.contains("ended with 0"), "\(session.output)")
            #expect(provider.requests(to: .resource) == 1)
        }
    }
}
