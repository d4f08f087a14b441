import Foundation
import TokenKeeper
import TokenVault

/// How a user consents: in a browser that comes back to this machine, or on another device.
extension ConnectionConnectCommand {
    /// Sends the user to the provider and waits for the return.
    func consentInBrowser(
        _ request: ConsentRequest, at place: CallbackPlace, _ keeper: TokenKeeper
    ) async throws -> Connection {
        let listener = CallbackListener(at: place)
        var request = request
        request.redirectURI = try await listener.start()
        defer { listener.close() }
        let begun = try await keeper.begin(request)
        announce(begun, request.redirectURI)
        let end = Task { [lifetime = request.lifetime] in
            try await Task.sleep(for: lifetime)
            listener.end()
        }
        defer { end.cancel() }
        var stray: String?
        for await arrival in listener.arrivals {
            // Any page of the browser can send it here; the user's own return is still to come.
            let callback = ConsentCallback(query: arrival.query)
            guard let callback, begun.isAnswered(by: callback) else {
                // Some providers leave the state out of an error: it ends nothing, but may be the reason.
                stray = callback?.errorWords ?? stray
                await arrival.answer("This is not the answer that is waited for.", isGood: false)
                continue
            }
            do {
                let connection = try await keeper.complete(callback, session: request.session)
                await arrival.answer("Connected. You can close this page.", isGood: true)
                return connection
            } catch {
                let message = (error as? KeeperError)?.message ?? "Something went wrong."
                await arrival.answer("\(message) The terminal says more.", isGood: false)
                throw error
            }
        }
        throw VaultError(
            .unavailable,
            "No answer to this consent came back in time."
                + (stray.map { " A request without its state reported an error: \(Console.harmless($0))" }
                    ?? ""),
            remedy:
                "Begin again; --timeout gives more time. Check that the redirect URI is registered at the provider."
        )
    }

    private func announce(_ begun: BegunConsent, _ redirectURI: String) {
        announce(
            Shown(
                [.json("event", "consent_url"), .json("redirect_uri", redirectURI), .json("url", begun.url)],
                lines: [
                    "Open this address to consent:", "  \(Console.harmless(begun.url, limit: 16 * 1024))",
                ]))
        if !output.isJSON, !noBrowser, isatty(STDERR_FILENO) == 1 { Self.openBrowser(begun.url) }
    }

    /// On standard error: one line of JSON, or what the user needs in words.
    private func announce(_ event: Shown) {
        guard output.isJSON else { return event.lines.forEach(Console.note) }
        if let line = try? JSONText.encode(event) { Console.note(line) }
    }

    /// Starts the person's own browser and lets it be; the address is on the terminal for when that fails. The address is
    /// seen by anyone who may list processes, as with every program that starts a browser: its `state` works once, and only
    /// in this process.
    private static func openBrowser(_ url: String) {
        // Without a display it would start a browser in this very terminal.
        guard ["DISPLAY", "WAYLAND_DISPLAY"].contains(where: { KeyArguments.environment($0) != nil }) else {
            return
        }
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = ["xdg-open", url]
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try? process.run()
    }

    /// Shows the code that the user types on another device (RFC 8628), and asks until the user has decided, or the code
    /// is over.
    func consentOnDevice(_ request: DeviceRequest, _ keeper: TokenKeeper) async throws -> Connection {
        var device = try await keeper.beginDevice(request)
        let link = device.verificationURIComplete
        announce(
            Shown(
                [
                    .json("event", "device_code"), .json("user_code", device.userCode),
                    .json("verification_uri", device.verificationURI),
                    .json("verification_uri_complete", link), .json("expires_at", device.expiresAt),
                ],
                lines: [
                    "Open \(Console.harmless(device.verificationURI)) on any device and enter this code:",
                    "  \(Console.harmless(device.userCode))",
                ] + (link.map { ["Or open \(Console.harmless($0))"] } ?? [])))
        let end = keeper.vault.clock.now().advanced(by: timeout.duration)
        while true {
            try await Task.sleep(for: device.interval)
            if let connection = try await keeper.pollDevice(&device) { return connection }
            guard keeper.vault.clock.now() < end else {
                throw VaultError(
                    .unavailable, "The code was not entered in time.",
                    remedy: "Begin again; --timeout gives more time.")
            }
        }
    }
}
