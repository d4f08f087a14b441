import Foundation

/// Certificates for `localhost`, signed by an authority that only the test knows.
struct Certificates {
    let place: Workplace

    /// `ca.pem`, and a first pair.
    static func made(in place: Workplace) async throws -> Certificates {
        let certificates = Certificates(place: place)
        try await certificates.shell(
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj '/CN=Test authority' "
                + "-addext basicConstraints=critical,CA:TRUE -keyout ca.key -out ca.pem")
        try await certificates.issue("first")
        return certificates
    }

    /// `<name>.pem` and `<name>.key`, with the name as subject.
    func issue(_ name: String, days: Int = 2) async throws {
        try place.write("subjectAltName=DNS:localhost,IP:127.0.0.1\n", to: "names.cnf")
        try await shell(
            "openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj '/CN=\(name)' "
                + "-keyout \(name).key -out \(name).csr && openssl x509 -req -in \(name).csr -CA ca.pem -CAkey ca.key "
                + "-CAcreateserial -days \(days) -extfile names.cnf -out \(name).pem && chmod 600 \(name).key"
        )
    }

    /// Makes `live.pem` and `live.key`, which are served, those of a pair.
    func install(_ name: String) async throws {
        try await shell("cp \(name).key live.key && cp \(name).pem live.pem && chmod 600 live.key live.pem")
    }

    static let options = ["--tls-certificate", "live.pem", "--tls-key", "live.key"]

    private func shell(_ line: String) async throws {
        let ending = try await place.shell(line)
        guard ending.status == 0 else { throw Missing.value("a certificate: \(ending.complaints)") }
    }
}
