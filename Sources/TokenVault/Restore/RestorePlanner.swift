import GRDB
import VaultCore
import VaultCrypto

/// Compares a backup with what happened since: reads, changes nothing.
struct RestorePlanner {
    let database: Database
    let keyring: Keyring
    /// Nil: nothing tells what moved on.
    let replay: LogReplay?
    let keepsGrants: Bool
    /// Identifier of the keyslot that opened the backup.
    let openedBy: [UInt8]

    func fill(_ plan: inout RestorePlan) throws {
        try planGrants(&plan)
        try planConnections(&plan)
        if let replay {
            try planOwners(&plan, replay)
            try planOthers(&plan, replay)
            try planKeyslots(&plan, replay)
            planNotes(&plan, replay)
        } else {
            plan.notes.append(
                "Nothing tells what happened since the backup: look through users, clients, passwords, secrets and "
                    + "providers for changes that were made since \(plan.backup.createdAt.text).")
        }
        let later = Incarnation(id: replay?.largest[TableLayout.incarnations.number] ?? 1)
        plan.incarnation = max(try database.newestIncarnation().number, later.number) + 1
    }

    private func planGrants(_ plan: inout RestorePlan) throws {
        var known: Set<Int64> = []
        try database.forEachRow(Self.grants) { row in
            let id = row.integer(0)
            if replay != nil { known.insert(id) }
            // Over before the backup was made.
            guard row.integer(2) != 0 else { return true }
            guard let replay else {
                if keepsGrants { plan.keptGrants += 1 } else { plan.revokedGrants += 1 }
                return true
            }
            let fate = replay[.grants, id]
            let ended = [row.integer(3), row.integer(4)].compactMap { replay.owners[$0]?.ended }.first
            guard let deed = fate?.operation ?? ended else {
                plan.keptGrants += 1
                return true
            }
            plan.movedGrants.append(
                MovedRow(
                    id: id, generation: row.integer(1), newestGeneration: fate?.generation, because: deed))
            plan.revokedGrants += 1
            return true
        }
        plan.lostGrants = replay?.ids(of: .grants).filter { !known.contains($0) } ?? []
    }

    /// The third column says whether it lives: neither revoked itself, nor with its user or client.
    private static let grants = """
        SELECT g.id, g.generation,
            g.state = 1 AND o.state != 3 AND c.state != 3
            AND g.owner_revocations >= o.revocations AND g.client_revocations >= c.revocations,
            g.owner_id, g.client_id
        FROM grants g JOIN owners o ON o.id = g.owner_id JOIN owners c ON c.id = g.client_id ORDER BY g.id
        """

    private func planConnections(_ plan: inout RestorePlan) throws {
        var known: Set<Int64> = []
        let sql = """
            SELECT id, generation, kind, pair IS NOT NULL OR reply IS NOT NULL, state FROM connections ORDER BY id
            """
        try database.forEachRow(sql) { row in
            let id = row.integer(0)
            known.insert(id)
            guard row.integer(4) != ConnectionState.revoked.rawValue else { return true }
            let isOwn = row.integer(2) == ConnectionKind.clientCredentials.rawValue
            let fate = replay?[.connections, id]
            let mayHaveMoved = replay == nil ? row.integer(3) != 0 : fate != nil
            guard mayHaveMoved else {
                plan.keptConnections += 1
                return true
            }
            let isOver = fate.map { $0.isGone || $0.isRevoked } ?? false
            plan.movedConnections.append(
                MovedConnection(
                    id: id, generation: row.integer(1), newestGeneration: fate?.generation,
                    because: fate?.operation, action: isOver ? .revoked : isOwn ? .renewed : .quarantined,
                    isGone: fate?.isGone == true))
            return true
        }
        plan.lostConnections =
            replay?.ids(of: .connections).filter { id in
                !known.contains(id) && replay?[.connections, id]?.isGone == false
            } ?? []
    }

    private func planOwners(_ plan: inout RestorePlan, _ replay: LogReplay) throws {
        for id in replay.ids(of: .owners) {
            guard let row = try database.load(OwnerRow.self, id, keyring)?.row else {
                plan.lostOwners.append(id)
                continue
            }
            let fate = replay.owners[id] ?? LogReplay.OwnerFate()
            let isRewritten = row.kind == .client && replay[.clients, id]?.isRewritten == true
            guard let change = Self.change(fate, isRewritten: isRewritten) else { continue }
            plan.movedOwners.append(
                MovedOwner(
                    id: OwnerID(id), isClient: row.kind == .client, change: change,
                    revocations: fate.revocations))
        }
        for id in replay.ids(of: .clients) where replay.owners[id] == nil {
            guard replay[.clients, id]?.isRewritten == true,
                try database.load(ClientRow.self, id, keyring) != nil
            else { continue }
            plan.movedOwners.append(
                MovedOwner(id: OwnerID(id), isClient: true, change: .quarantined, revocations: 0))
        }
    }

    private static func change(_ fate: LogReplay.OwnerFate, isRewritten: Bool) -> MovedOwner.Change? {
        if fate.isErased { return .erased }
        if fate.state == .removed { return .removed }
        if fate.isUnclear || isRewritten { return .quarantined }
        switch fate.state {
        case .disabled: return .disabled
        case .active: return .enabled
        default: return fate.revocations > 0 ? .revoked : nil
        }
    }

    private func planOthers(_ plan: inout RestorePlan, _ replay: LogReplay) throws {
        func retire(_ layout: TableLayout, _ what: String, where isMeant: (LogReplay.Fate) -> Bool) throws {
            for id in replay.ids(of: layout) {
                guard let fate = replay[layout, id], isMeant(fate),
                    try database.firstRow(layout.selectByID, [.integer(id)], { _ in true }) == true
                else { continue }
                plan.retired.append(
                    RetiredRow(
                        table: layout.name, id: id, what: what, number: layout.number, isGone: fate.isGone))
            }
        }
        try retire(.clientSecrets, "superseded: it is accepted no more") { _ in true }
        try retire(.passwords, "changed: there is no password until one is set") { _ in true }
        try retire(.consents, "withdrawn") { $0.isGone }
        try retire(.providers, "changed: it is not called until an operator resumes it") { _ in true }
        try retire(.authorizationRequests, "used or over") { $0.isGone }
        try retire(.webhooks, "removed") { $0.isGone }
        try retire(.anchors, "removed") { $0.isGone }
        try retire(.signingKeys, "superseded: it signs no more") { _ in true }
    }

    /// Removes again what was removed, but never the last way in.
    private func planKeyslots(_ plan: inout RestorePlan, _ replay: LogReplay) throws {
        let slots = try database.loadAll(KeyslotRow.self, where: "1 ORDER BY id", [], keyring)
        var removed = slots.filter { replay[.keyslots, $0.id]?.isGone == true }
        if !slots.contains(where: { $0.record.id == openedBy }) {
            plan.notes.append(
                "The keyslot that opens the backup was added after it, and is kept: remove it if it was removed since."
            )
        } else if removed.count == slots.count {
            removed.removeAll { $0.record.id == openedBy }
            plan.notes.append(
                "Every keyslot of the backup was removed since. The one that opens it is kept, so that the vault can be "
                    + "opened: add another, then remove it.")
        }
        for slot in removed {
            // Its details first, which refer to it.
            for layout in [TableLayout.keyslotDetails, .keyslots] {
                let found = try database.firstRow(layout.selectByID, [.integer(slot.id)]) { _ in true }
                guard found == true else { continue }
                plan.retired.append(
                    RetiredRow(
                        table: layout.name, id: slot.id, what: "removed: it opens the vault no more",
                        number: layout.number, isGone: true))
            }
        }
        let known = Set(slots.map(\.id))
        let isLost = replay.ids(of: .keyslots).contains { id in
            !known.contains(id) && replay[.keyslots, id]?.isGone == false
        }
        if isLost { plan.notes.append("Keyslots that were added since the backup are lost: add them again.") }
    }

    private func planNotes(_ plan: inout RestorePlan, _ replay: LogReplay) {
        if !replay.rotations.isEmpty {
            plan.notes.append(
                "Keys were rotated since the backup, which brings the older ones back: rotate again ("
                    + replay.rotations.sorted().joined(separator: ", ") + ").")
        }
        if plan.retired.contains(where: { $0.number == TableLayout.clientSecrets.number }) {
            plan.notes.append(
                "Clients whose secret changed since need a new one: 'tokenvault client rotate-secret'.")
        }
        if plan.movedOwners.contains(where: { $0.change == .quarantined }) {
            plan.notes.append(
                "Users and clients that changed since in a way that is lost are disabled: look, then enable them."
            )
        }
    }
}

extension VaultInstant {
    /// For a sentence: seconds since 1970.
    fileprivate var text: String { "\(secondsSince1970) (seconds since 1970)" }
}
