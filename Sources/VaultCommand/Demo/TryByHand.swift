import Foundation

/// What to type to do the same by hand.
struct TryByHand {
    let isKept: Bool
    let directory: String

    /// Lines for a shell, each of which works as it stands.
    var lines: [String] {
        let tool = Self.quoted(Self.tool)
        let place = Self.quoted(directory)
        let token = "-u \"\(DemoStage.clientID):$SECRET\" \"$URL\(DemoClient.tokenPath)\""
        var lines = isKept ? ["cd \(place)"] : ["mkdir -m 700 try-tokenvault && cd try-tokenvault"]
        lines.append("export TOKENVAULT_PATH=vault TOKENVAULT_KEY_FILE=vault.key")
        if !isKept {
            lines += [
                "\(tool) init --create-key-file",
                "\(tool) user add \(DemoStage.user)",
                "\(tool) client add 'Mood tracker' --client-id \(DemoStage.clientID) --scope 'basic readmeasurements' "
                    + "--redirect-uri \(DemoClient.redirectURI) --code-lifetime 10m",
            ]
        }
        return lines + [
            "SECRET=$(\(tool) client rotate-secret \(DemoStage.clientID) --overlap 0s | sed -n 's/^client_secret: *//p')",
            "\(tool) serve --listen 127.0.0.1:0 --ready-file ready & SERVER=$!",
            "until [ -s ready ]; do sleep 0.1; done; URL=$(cat ready)",
            "CODE=$(\(tool) grant authorize --client \(DemoStage.clientID) --user \(DemoStage.user) --scope basic "
                + "--redirect-uri \(DemoClient.redirectURI))",
            "curl -s -d grant_type=authorization_code -d code=$CODE -d redirect_uri=\(DemoClient.redirectURI) \(token) "
                + "| tee tokens; echo",
            "REFRESH=$(sed 's/.*\"refresh_token\":\"\\([^\"]*\\)\".*/\\1/' tokens)",
            "curl -s -d grant_type=refresh_token -d refresh_token=$REFRESH \(token); echo",
            "\(tool) audit tail && \(tool) audit verify",
            "kill $SERVER",
        ]
    }

    /// This program as it can be called from another directory.
    private static var tool: String {
        guard let name = CommandLine.arguments.first, name.contains("/") else { return "tokenvault" }
        return name.hasPrefix("/") ? name : FileManager.default.currentDirectoryPath + "/" + name
    }

    private static func quoted(_ text: String) -> String {
        let isPlain = text.utf8.allSatisfy { byte in
            (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
                || Array("/._-+".utf8).contains(byte)
        }
        return isPlain ? text : "'" + text.replacing("'", with: "'\\''") + "'"
    }
}
