import Testing
import TokenVault
import VaultCore

@Suite struct `A vault is named by a path or by a service, never by a secret` {
    @Test(arguments: ["postgres:tokenvault", "postgres:Vault-2.eu_1"])
    func `a service`(_ text: String) throws {
        let place = try VaultPlace(parsing: text)
        #expect(place == .postgres(service: String(text.dropFirst(9))))
        #expect(place.description == text)
    }

    @Test(arguments: [
        "vault", "/var/lib/vault", "./postgres:tokenvault", "postgres", "Postgres:x", "a postgres:b",
    ])
    func `a path`(_ text: String) throws {
        #expect(try VaultPlace(parsing: text) == .file(text))
        #expect(VaultPlace.file(text).description == text)
    }

    @Test(arguments: [
        "postgres://vault:hunter2@db/vault", "postgresql://db/vault?password=hunter2", "postgresql:hunter2",
        "postgres:host=db password=hunter2", "postgres:", "postgres:a b", "postgres:ä",
        "postgres:a/../hunter2",
        "postgres:" + String(repeating: "a", count: 65),
    ])
    func `what may hold a password is refused, and not repeated`(_ text: String) {
        let error = #expect(throws: VaultError.self) { try VaultPlace(parsing: text) }
        #expect(error?.code == .invalidInput)
        #expect(error.map { !"\($0)".contains("hunter2") && !$0.remedy.isEmpty } == true)
    }
}
