import ArgumentParser
import Foundation
import TokenVault

/// Shows in some seconds what the vault promises: with a real server, real HTTP and real files.
@main struct Demo: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "Demo",
        abstract: "Show what the vault promises, in a temporary directory.",
        discussion: """
            Makes a vault, registers a client and a user, serves on this machine, and plays the client over HTTP. \
            Removes everything at the end, unless you give --keep.
            """)

    @Flag(help: "Keep the vault, and print its path.")
    var keep = false
    @Option(help: "Number of times that the second grant is refreshed.")
    var refreshes = 100
    @Option(help: "Number of clients that send each refresh at once.")
    var clients = 64
    @Flag(name: .customLong("json"), help: "Print the figures alone, as one JSON object.")
    var isJSON = false

    func validate() throws {
        guard (1...1_000_000).contains(refreshes), (1...256).contains(clients) else {
            throw ValidationError("--refreshes is 1 to 1000000 and --clients 1 to 256.")
        }
    }

    func run() async throws {
        let directory = try Stage.makeDirectory()
        defer { if !keep { try? FileManager.default.removeItem(atPath: directory) } }
        let stage = try await Stage(in: directory)
        let story = Story(stage, refreshes: refreshes, clients: clients, isQuiet: isJSON)
        do {
            story.chapter("TokenVault, a demonstration")
            story.say("A new vault in \(directory), one client, one user, a server on this machine.")
            var summary = try await stage.serving { try await story.tell(at: $0) }
            await stage.vault.close()
            if isJSON {
                summary.directory = keep ? directory : nil
                let encoder = JSONEncoder()
                encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
                encoder.keyEncodingStrategy = .convertToSnakeCase
                print(String(decoding: try encoder.encode(summary), as: UTF8.self))
            } else {
                story.chapter("All promises kept. Try it by hand:")
                for line in tryByHand(directory) { story.say(line) }
            }
        } catch {
            await stage.vault.close()
            throw error
        }
    }

    /// What to type to do the same: lines for a shell, each of which works as it stands.
    private func tryByHand(_ directory: String) -> [String] {
        // Built together, they lie side by side.
        let here = URL(filePath: CommandLine.arguments[0]).absoluteURL.deletingLastPathComponent().path
        let isBeside = FileManager.default.isExecutableFile(atPath: here + "/tokenvault")
        let tool = isBeside ? Self.quoted(here + "/tokenvault") : "tokenvault"
        let (client, user, redirectURI) = (Stage.clientID, Stage.user, Stage.redirectURI)
        let token = "-u \"\(client):$SECRET\" \"$URL\(Application.tokenPath)\""
        var lines =
            keep ? ["cd \(Self.quoted(directory))"] : ["mkdir -m 700 try-tokenvault && cd try-tokenvault"]
        lines.append("export TOKENVAULT_PATH=vault TOKENVAULT_KEY_FILE=vault.key")
        if !keep {
            lines += [
                "\(tool) init --create-key-file",
                "\(tool) user add \(user)",
                "\(tool) client add 'Mood tracker' --client-id \(client) --scope 'basic readmeasurements' "
                    + "--redirect-uri \(redirectURI) --code-lifetime 10m",
            ]
        }
        return lines + [
            "SECRET=$(\(tool) client rotate-secret \(client) --overlap 0s | sed -n 's/^client_secret: *//p')",
            "\(tool) serve --listen 127.0.0.1:0 --ready-file ready & SERVER=$!",
            "until [ -s ready ]; do sleep 0.1; done; URL=$(cat ready)",
            "CODE=$(\(tool) grant authorize --client \(client) --user \(user) --scope basic "
                + "--redirect-uri \(redirectURI))",
            "curl -s -d grant_type=authorization_code -d code=$CODE -d redirect_uri=\(redirectURI) \(token) "
                + "| tee tokens; echo",
            "REFRESH=$(sed 's/.*\"refresh_token\":\"\\([^\"]*\\)\".*/\\1/' tokens)",
            "curl -s -d grant_type=refresh_token -d refresh_token=$REFRESH \(token); echo",
            "\(tool) audit tail && \(tool) audit verify",
            "kill $SERVER",
        ]
    }

    private static func quoted(_ text: String) -> String { "'" + text.replacing("'", with: "'\\''") + "'" }
}

/// A promise that was not kept.
struct DemoFailure: Error, CustomStringConvertible {
    let description: String
}
