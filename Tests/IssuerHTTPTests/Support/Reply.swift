import Foundation

/// An HTTP response, taken apart.
struct Reply: Sendable {
    let status: Int
    /// Names in lower case.
    let headers: [(name: String, value: String)]
    let body: [UInt8]

    /// Nil while octets are missing.
    init?(_ bytes: [UInt8], isToHead: Bool = false) {
        guard let end = Data(bytes).range(of: Data("\r\n\r\n".utf8)) else { return nil }
        let lines = String(decoding: bytes[..<end.lowerBound], as: UTF8.self).components(separatedBy: "\r\n")
        let start = lines[0].split(separator: " ")
        guard start.count >= 2, start[0] == "HTTP/1.1", let status = Int(start[1]) else { return nil }
        self.status = status
        headers = lines.dropFirst().compactMap { line in
            line.firstIndex(of: ":").map { colon in
                (
                    line[..<colon].lowercased(),
                    line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces)
                )
            }
        }
        let length = headers.first { $0.name == "content-length" }.flatMap { Int($0.value) } ?? 0
        let rest = bytes[end.upperBound...]
        guard isToHead || rest.count >= length else { return nil }
        body = isToHead ? Array(rest) : Array(rest.prefix(length))
    }

    func header(_ name: String) -> String? { headers.first { $0.name == name }?.value }

    var text: String { String(decoding: body, as: UTF8.self) }

    var json: [String: Any] {
        (try? JSONSerialization.jsonObject(with: Data(body)) as? [String: Any]) ?? [:]
    }

    func member(_ name: String) -> String? { json[name] as? String }

    var error: String? { member("error") }
    var accessToken: String? { member("access_token") }
    var refreshToken: String? { member("refresh_token") }
}
