import Foundation
import TokenKeeper
import TokenVault
import VaultCore
import VaultCrypto

/// A consent in a browser that comes back to this machine.
struct BrowserConsent {
    let keeper: TokenKeeper
    let output: OutputArguments
    /// Whether a browser is started, where there is a person to see it.
    let opensBrowser: Bool

    /// Sends the user to the provider and waits for the return.
    func connect(_ request: ConsentRequest, at place: CallbackPlace) async throws -> Connection {
        let listener = try await CallbackListener.start(at: place)
        do {
            let connection = try await connect(request, listener)
            await listener.close()
            return connection
        } catch {
            await listener.close()
            throw error
        }
    }

    private func connect(
        _ request: ConsentRequest, _ listener: CallbackListener
    ) async throws -> Connection {
        var request = request
        request.redirectURI = listener.redirectURI
        let begun = try await keeper.begin(request)
        announce(begun, listener)
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
            return try await complete(callback, request.session, arrival)
        }
        throw VaultError(
            .unavailable,
            "No answer to this consent came back in time."
                + (stray.map { " A request without its state told of an error: \(Console.harmless($0))" }
                    ?? ""),
            remedy: "Begin again; --timeout gives more time. Is the redirect URI registered there?")
    }

    private func complete(
        _ callback: ConsentCallback, _ session: SecretBytes, _ arrival: CallbackArrival
    ) async throws -> Connection {
        do {
            let connection = try await keeper.complete(callback, session: session)
            await arrival.answer("Connected. You can close this page.", isGood: true)
            return connection
        } catch {
            let message = (error as? KeeperError)?.message ?? "Something went wrong."
            await arrival.answer("\(message) The terminal says more.", isGood: false)
            throw error
        }
    }

    private func announce(_ begun: BegunConsent, _ listener: CallbackListener) {
        guard !output.isJSON else {
            let event = ConsentEvent(
                event: "consent_url", redirectUri: listener.redirectURI, url: begun.url)
            if let line = try? JSONText.encode(event) { Console.note(line) }
            return
        }
        Console.note("Open this address to consent:")
        Console.note("  \(Console.harmless(begun.url, limit: 16 * 1024))")
        if opensBrowser, isatty(STDERR_FILENO) == 1 { Browser.open(begun.url) }
    }
}

/// Where to send the user, one line on standard error under `--json`.
private struct ConsentEvent: Encodable {
    let event, redirectUri, url: String
}

/// The person's own browser.
private enum Browser {
    /// Starts it and lets it be; the address is on the terminal for when that fails. The address is seen by
    /// whoever may list processes, as with every program that starts a browser: its `state` works once, and
    /// only in this process.
    static func open(_ url: String) {
        #if os(Linux)
            // Without a display it would start a browser in this very terminal.
            let isDisplayed = ["DISPLAY", "WAYLAND_DISPLAY"].contains { KeyArguments.environment($0) != nil }
            guard isDisplayed else { return }
            let opener = "xdg-open"
        #else
            let opener = "open"
        #endif
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = [opener, url]
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try? process.run()
    }
}
