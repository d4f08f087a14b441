import Foundation
import TestSupport
import Testing

/// Container platforms hand a secret over as a file of root's that a group of the process may read.
@Suite("A secret of root's for a group", .bounded, .enabled(if: geteuid() == 0, "only root hands files down"))
struct HandedDownSecretTests {
    /// What commands say to a user of group 10001 whose key and passphrase lie in files of this owner and mode: exit codes
    /// with the key file and with the passphrase, then the doctor's finding.
    private func codes(_ owner: String, _ mode: String) async throws -> Ending {
        let place = try await Workplace.withVault()
        return try await place.shell(
            """
            set -eu
            umask 077; echo 'correct horse battery staple' > P
            tokenvault key slot add --new-passphrase-file P --json > added
            chmod 755 . && mkdir -m 700 home && mv V home/ && chown -R 65534:65534 home
            chown \(owner) K P && chmod \(mode) K P
            export TOKENVAULT_PATH=home/V TOKENVAULT_KEY_FILE=
            user="setpriv --reuid 65534 --regid 65534 --groups 10001 --inh-caps=-all tokenvault"
            for key in '--key-file K' '--passphrase-file P'; do
                code=0; $user client list $key > listed 2>> refused || code=$?; echo $code
            done
            $user doctor --key-file K --json | grep '"check":"files.key"' | cut -d , -f 2
            cat refused >&2
            """)
    }

    @Test(arguments: ["440", "640"])
    func `is taken`(_ mode: String) async throws {
        let ending = try await codes("0:10001", mode)
        #expect(ending.outputLines.prefix(2) == ["0", "0"], "\(ending)")
        #expect(!ending.output.contains("error"), "\(ending)")
    }

    @Test(arguments: [("0:10001", "444"), ("0:10001", "460"), ("0:10001", "450"), ("65534:10001", "440")])
    func `is refused where others may read it, or where it is the user's own`(_ owner: String, _ mode: String)
        async throws
    {
        let ending = try await codes(owner, mode)
        #expect(ending.outputLines.prefix(2) == ["4", "4"], "\(ending)")
        #expect(ending.output.contains("permission_denied"), "\(ending)")
        #expect(ending.complaints.contains(owner.hasPrefix("0") ? "chmod 440 K" : "chmod 600 K"), "\(ending)")
    }
}
