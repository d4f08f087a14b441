import Testing
import TokenKeeper
import TokenVault
import TokenVaultTesting
import VaultCore

extension KeeperBench {
    /// The user consents in a browser.
    func consent(_ keeper: TokenKeeper? = nil, label: String = "") async throws -> Connection {
        let keeper = keeper ?? self.keeper
        var request = ConsentRequest(
            provider: "standard", user: user.id, redirectURI: Self.redirectURI, session: session)
        request.label = label
        let begun = try await keeper.begin(request)
        let callback = try Self.consent(at: begun.url, server)
        return try await keeper.complete(callback, session: session)
    }

    /// Everything that happened since.
    func history(_ keeper: TokenKeeper? = nil, after cursor: Int64 = -1) async throws -> [KeeperEvent] {
        var events: [KeeperEvent] = []
        var position = cursor + 1
        while true {
            let page = try await (keeper ?? self.keeper).eventPage(from: position, limit: 3)
            events += page.events
            position = page.next
            if page.isEnd { return events }
        }
    }

    /// Runs the service until an event of that kind has come.
    func serve(_ keeper: TokenKeeper? = nil, until kind: KeeperEvent.Kind, after cursor: Int64) async throws {
        let keeper = keeper ?? self.keeper
        var configuration = KeeperServiceConfiguration()
        configuration.interval = .milliseconds(2)
        let service = KeeperService(keeper, configuration: configuration)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await service.run() }
            for try await event in keeper.events(after: cursor) where event.kind == kind { break }
            group.cancelAll()
        }
    }
}

extension KeeperEvent {
    /// `connection.refreshed #2 why`, for comparisons that read well.
    var line: String { "\(kind.rawValue) #\(generation)" + (reason.map { " " + $0 } ?? "") }
}
