import TokenKeeper
import VaultCore

/// A device that waits for its user (RFC 8628).
struct DeviceGrant: Sendable {
    enum Decision: Sendable { case none, approved, denied, used }

    static let type = "urn:ietf:params:oauth:grant-type:device_code"

    var scope: [String]
    var userCode: String
    var expiresAt: VaultInstant
    var interval: Duration
    var polledAt: VaultInstant?
    var decision = Decision.none
}

extension ScriptedState {
    /// Section 3.1.
    mutating func deviceAuthorization(
        _ request: ScriptedRequest, at now: VaultInstant
    ) throws(OAuthProblem) -> ScriptedAnswer {
        let parameters = try reading.otherParameters(request)
        // Section 3.1: public clients send their identifier; the others authenticate as at the token endpoint.
        try reading.authenticate(request, parameters)
        let code = random.token("dc_")
        // Section 6.1: letters that people do not mix up, and no vowels that would make words.
        let letters = Array("BCDFGHJKLMNPQRSTVWXZ")
        var userCode = String((0..<8).map { _ in letters[Int(random.next() % 20)] })
        userCode.insert("-", at: userCode.index(userCode.startIndex, offsetBy: 4))
        devices[code] = DeviceGrant(
            scope: grantable(parameters["scope"]), userCode: userCode,
            expiresAt: now.advanced(by: options.deviceLifetime), interval: options.devicePollInterval)
        let place = issuer(request) ?? "https://scripted.example"
        return writing.write(
            .object([
                ("device_code", .text(code)), ("user_code", .text(userCode)),
                ("verification_uri", .text(place + "/go")),
                ("verification_uri_complete", .text(place + "/go?user_code=" + userCode)),
                ("expires_in", .number(options.deviceLifetime.milliseconds / 1000)),
                ("interval", .number(options.devicePollInterval.milliseconds / 1000)),
            ]), status: 200)
    }

    /// Section 3.5.
    mutating func exchangeDeviceCode(
        _ parameters: RequestParameters, at now: VaultInstant
    ) throws(OAuthProblem) -> GrantBook.IssuedTokens {
        let name = try parameters.required("device_code")
        guard var device = devices[name], device.decision != .used else {
            throw .grant("The device code is not known here, or used.")
        }
        defer { devices[name] = device }
        guard now < device.expiresAt else { throw OAuthProblem("expired_token") }
        let isEarly = device.polledAt.map { now.elapsed(since: $0) < device.interval } ?? false
        device.polledAt = now
        switch device.decision {
        case .none where isEarly:
            // "the interval MUST be increased by 5 seconds for this and all subsequent requests"
            device.interval += .seconds(5)
            throw OAuthProblem("slow_down")
        case .none: throw OAuthProblem("authorization_pending")
        case .denied: throw OAuthProblem("access_denied")
        case .approved, .used:
            device.decision = .used
            return book.grant(.user, scope: device.scope, at: now, random: &random)
        }
    }

    /// Whether there was such a device waiting.
    mutating func decide(userCode: String, _ decision: DeviceGrant.Decision) -> Bool {
        guard let (name, _) = devices.first(where: { $0.value.userCode == userCode }),
            devices[name]?.decision == DeviceGrant.Decision.none
        else { return false }
        devices[name]?.decision = decision
        return true
    }
}
