package import VaultCore

/// How long the predecessor of the current refresh token may be retried: a client's setting. Both windows are
/// half open, as lifetimes are: 60 s means *less than* 60 s, and 0 s means never.
package struct RotationPolicy: Sendable, Equatable {
    /// For a client whose response got lost: as long as nobody used the new pair.
    package let retryWindow: Duration

    /// Clamps `retryWindow` to 0 s ... ``Limits/retryWindow``.
    package init(retryWindow: Duration) {
        self.retryWindow = min(max(retryWindow, .zero), Limits.retryWindow)
    }

    /// For honest workers of one client that refresh at once: even after another of them used the new pair.
    ///
    /// The shorter of ``Limits/raceWindow`` and the retry window. Without the minimum a client that was given
    /// no retry window, because it wants a used refresh token to be dead at once, would still have one
    /// of 10 s.
    package var raceWindow: Duration { min(Limits.raceWindow, retryWindow) }
}

/// The time of a decision, on both clocks the rules need.
package struct RotationMoment: Sendable, Equatable {
    /// Wall clock: for lifetimes, which outages do not stop.
    package var now: VaultInstant
    /// Serving clock, which stands still during outages: for the windows, so that a client whose response was
    /// lost in a crash still has time to ask again.
    package var serving: VaultInstant

    package init(now: VaultInstant, serving: VaultInstant) {
        self.now = now
        self.serving = serving
    }
}
