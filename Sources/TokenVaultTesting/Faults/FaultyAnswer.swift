import VaultCore

/// What a fault makes of a request and its answer.
extension ScriptedState {
    mutating func answer(
        _ request: ScriptedRequest, at now: VaultInstant, under fault: ScriptedFault?
    ) -> ScriptedAnswer {
        switch fault {
        case nil, .delay, .late: return answer(request, at: now)
        case .unreachable, .dropBefore: return .none
        case .dropAfter:
            _ = answer(request, at: now)
            return .none
        case .duplicate:
            _ = answer(request, at: now)
            return answer(request, at: now)
        case .unreadableExpiry: return answer(request, at: now, isExpiryReadable: false)
        case .page(let isDone):
            if isDone { _ = answer(request, at: now) }
            let page = "<!doctype html><title>Sorry</title><h1>We will be back</h1>"
            return ScriptedAnswer(
                status: 200, headers: [("Content-Type", "text/html")], body: Array(page.utf8))
        case .status(let status, let retryAfter, let isDone):
            if isDone { _ = answer(request, at: now) }
            var refused = ScriptedAnswer(status: status, headers: [("Content-Type", "text/plain")])
            if let retryAfter { refused.headers.append(("Retry-After", retryAfter)) }
            return refused
        case .redirect(let target):
            return ScriptedAnswer(status: 307, headers: [("Location", target)])
        case .errorUnder200(let code):
            var refused = writing.refusal(OAuthProblem(code), isRefresh: true)
            refused.status = 200
            return refused
        case .invalidClient: return writing.refusal(.client(triedHeader: false), isRefresh: true)
        case .echo(let code):
            return writing.refusal(OAuthProblem(code, "Not taken: " + everything(request)), isRefresh: true)
        case .truncated, .contentType, .huge, .slow, .emptyBody, .contentLength:
            return answer(request, at: now).changed(by: fault)
        }
    }

    /// All that a request held, decoded as a careless server would print it.
    private func everything(_ request: ScriptedRequest) -> String {
        let forms = [request.query, request.body].flatMap { FormCoding.pairs($0) ?? [] }
        let headers = request.headers.map { (name, value) in
            let encoded = value.hasPrefix("Basic ") ? Base64.decode(value.dropFirst(6).utf8) : nil
            return name + ": " + (encoded.map { String(decoding: $0, as: UTF8.self) } ?? value)
        }
        return
            (forms.map { $0.name + "=" + $0.value } + headers + [
                String(decoding: request.body, as: UTF8.self)
            ])
            .joined(separator: "; ")
    }
}

extension ScriptedAnswer {
    /// The connection closes without it.
    fileprivate static var none: Self {
        var answer = Self(status: 0)
        answer.delivery = .nothing
        return answer
    }

    /// The answer as a fault of the way leaves it.
    fileprivate func changed(by fault: ScriptedFault?) -> Self {
        var answer = self
        switch fault {
        case .truncated: answer.delivery = .cut(after: body.count / 2)
        case .contentType(let type):
            answer.headers.removeAll { $0.name == "Content-Type" }
            answer.headers.append(("Content-Type", type))
        // Still the same JSON: only a bound keeps it out.
        case .huge(let count): answer.body += [UInt8](repeating: UInt8(ascii: " "), count: max(0, count))
        case .slow(let pause): answer.delivery = .slow(pause)
        case .emptyBody: answer.body = []
        case .contentLength(let difference):
            answer.delivery = .declaring(max(0, body.count + difference))
        default: break
        }
        return answer
    }
}
