import Foundation

extension HTTPBenchmark {
    /// What is measured in servers of the benchmark's own.
    static let ofHandlers: [Load] = [.sameRequests, .bearer, .bare]

    private static let port = 4587

    /// - Parameter answer: of the token endpoint, to be given again and again.
    func measureHandlers(
        _ copy: WorkingCopy, _ material: inout HTTPMaterial, _ answer: String, into report: inout Report
    ) async throws {
        let url = "http://127.0.0.1:\(Self.port)"
        for load in Self.ofHandlers where loads.contains(load) {
            let command =
                switch load {
                case .sameRequests: ["framed-handler", "--answer", answer]
                case .bearer:
                    ["protected-handler", "--vault", copy.vault.vaultPath, "--key-file", copy.vault.keyPath]
                default: ["empty-handler"]
                }
            let process = try Self.start(
                CommandLine.arguments[0], command + ["--port", String(Self.port)])
            defer { Self.stop(process) }
            try await Self.waitUntilAnswering(url)
            for count in connections {
                let arguments = try handlerArguments(load, count, url, &material)
                try measure(load, count, process, into: &report) { try wrk(count, arguments) }
            }
        }
    }

    private func handlerArguments(
        _ load: Load, _ count: Int, _ url: String, _ material: inout HTTPMaterial
    ) throws -> [String] {
        let token = url + "/oauth2/token"
        return switch load {
        case .sameRequests: try rotation(token, count, &material)
        case .bearer:
            [
                Self.script("same"), url + "/protected", "--", "-", "Bearer " + material.accessToken,
                "basic",
            ]
        default: [Self.script("same"), token, "--", material.form, material.basic, "refresh"]
        }
    }
}
