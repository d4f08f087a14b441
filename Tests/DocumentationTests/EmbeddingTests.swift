import Foundation
import TestSupport
import Testing

@Suite(.serialized, .bounded) struct `What docs/embedding.md shows works` {
    private static let example = "Examples/Diary"

    /// The blocks that are files, by the name above them.
    private func files() throws -> [String: String] {
        let blocks = try Place.text("docs/embedding.md").matches(
            of: /(?m)^`([\w.\/]+)`:\n\n```swift\n((?s).*?)^```$/)
        return Dictionary(uniqueKeysWithValues: blocks.map { (String($0.1), String($0.2)) })
    }

    @Test func `its files are those that are built, and no block is anything else`() throws {
        let shown = try files()
        #expect(shown.count == 5)
        for (name, text) in shown where name != "Package.swift" {
            #expect(try Place.text("\(Self.example)/\(name)") == text, "\(name)")
        }
        let base = Place.root.appendingPathComponent(Self.example)
        let walker = try #require(FileManager.default.enumerator(atPath: base.path))
        let kept = walker.compactMap { $0 as? String }.filter { $0.hasSuffix(".swift") }
        #expect(Set(kept + ["Package.swift"]) == Set(shown.keys))
        #expect(try Place.text("docs/embedding.md").matches(of: /(?m)^```\w/).count == shown.count)
    }

    // The package as a whole is built by `make outside`.
    @Test func `its manifest asks for what there is, in the versions that are tested`() throws {
        let manifest = try #require(try files()["Package.swift"])
        let ours = try Place.text("Package.swift").replacing(/\(\s+name:/, with: "(name:")
        let requirements = manifest.matches(of: /\.package\(url: "([^"]+)", from: "[^"]+"\)/)
        #expect(requirements.count >= 2)
        for requirement in requirements where !requirement.1.hasSuffix("/tokenvault.git") {
            #expect(ours.contains(requirement.0), "\(requirement.0)")
        }
        for product in manifest.matches(of: /\.product\(name: "(\w+)", package: "tokenvault"\)/) {
            let library = try Regex(#"\.library\(\s*name: ""# + product.1 + "\"")
            #expect(ours.contains(library), "\(product.1)")
        }
        #expect(manifest.hasPrefix(String(ours.prefix { $0 != "\n" }) + "\n"))
    }

    @Test func `a token is refreshed in process in 15 lines`() throws {
        let tests = try #require(try files()["Tests/DiaryTests/DiaryTests.swift"])
        let body = try #require(
            tests.firstMatch(of: /refreshesInProcess\(\) async throws \{\n((?s).*?)\n    \}/)
        ).1
        #expect(body.contains("issuer.refresh("))
        #expect(body.split(separator: "\n").count <= 15)
    }

    @Test func `its service makes a vault, serves it, and ends when asked`() throws {
        let session = try bash(
            #"""
            Diary & SERVICE=$!
            HERE=http://127.0.0.1:8080
            curl --silent --show-error --fail --retry 20 --retry-delay 1 --retry-connrefused $HERE/health/ready
            export TOKENVAULT_PATH=vault TOKENVAULT_KEY_FILE=vault.key
            CLIENT=$(tokenvault client add Mood --redirect-uri https://mood.example/ --scope entries:read \
                | sed -n 's/^client_id: *//p')
            get() { curl --silent --show-error --location --cookie-jar jar --cookie jar "$@"; }
            ASKED="$HERE/oauth2/authorize?response_type=code&client_id=$CLIENT&redirect_uri=https://mood.example/"
            get --output sign-in --write-out '%{url_effective}' "$ASKED" > at
            grep -q 'name="name"' sign-in
            get --data name=alice --output consent "$(cat at)"
            grep -q 'Read your diary' consent
            echo "from elsewhere $(get --output page --write-out '%{http_code}' --header 'Sec-Fetch-Site: cross-site' \
                --data name=bob "$(cat at)")"
            echo "leads elsewhere $(get --output page --write-out '%{http_code}' \
                --data name=bob "$HERE/sign-in?next=//evil.example/")"
            tokenvault audit verify > report
            kill -TERM $SERVICE
            wait $SERVICE
            echo "ended with $?"
            """#)
        #expect(session.status == 0, "Is port 8080 free? \(session.output)")
        #expect(session.output.contains("from elsewhere 403"), "\(session.output)")
        #expect(session.output.contains("leads elsewhere 400"), "\(session.output)")
        #expect(session.output.contains("ended with 0"), "\(session.output)")
    }
}
