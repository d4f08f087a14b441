import Foundation
import TestSupport
import Testing

/// Disks and directories that do not cooperate.
///
/// Root is bound by no permission bits, so it becomes somebody else.
@Suite("Disks that do not cooperate", .bounded)
struct HostileDiskTests {
    /// Runs a line of shell in a mount namespace of its own, as root there, so that file systems can be mounted.
    private func mounted(_ line: String, in place: Workplace) async throws -> Ending {
        let unshare = geteuid() == 0 ? "unshare --mount" : "unshare --map-root-user --mount"
        try place.write("set -eu\n" + line + "\n", to: "script")
        return try await place.shell("exec \(unshare) sh ./script")
    }

    @Test func `a directory without permission is 4`() async throws {
        let place = try await Workplace.withVault()
        let prepared = try await place.shell("mkdir -m 700 closed && cp V K closed/ && chmod 755 .")
        #expect(prepared.status == 0)
        // For root: as nobody, from a directory that nobody may enter. Otherwise the bits bind us as they are.
        let line =
            geteuid() == 0
            ? "exec setpriv --reuid 65534 --regid 65534 --clear-groups tokenvault status --vault closed/V --json"
            : "chmod 000 closed; tokenvault status --vault closed/V --json; s=$?; chmod 700 closed; exit $s"
        let ending = try await place.shell(line)
        #expect(ending.status == 4, "\(ending.complaints)")
        #expect(try Ending.object(ending.complaints)["error"] as? String == "permission_denied")
    }

    @Test func `a directory that cannot be written is 4`() async throws {
        let place = try await Workplace.withVault()
        let line =
            geteuid() == 0
            ? """
            mkdir -m 755 locked && cp V K locked/ && chown 65534 locked/V locked/K && chmod 755 . &&
            exec setpriv --reuid 65534 --regid 65534 --clear-groups \
            tokenvault status --vault locked/V --key-file locked/K --json
            """
            : """
            mkdir locked && cp V K locked/ && chmod 555 locked
            tokenvault status --vault locked/V --key-file locked/K --json; s=$?; chmod 700 locked; exit $s
            """
        let ending = try await place.shell(line)
        #expect(ending.status == 4, "\(ending.complaints)")
        #expect(try Ending.object(ending.complaints)["error"] as? String == "permission_denied")
    }

    @Test func `a read-only file system is 8`() async throws {
        let place = try await Workplace.withVault()
        let ending = try await mounted(
            """
            mkdir disk && mount -t tmpfs -o size=16m none disk
            cp V K disk/ && mount -o remount,ro disk
            exec tokenvault status --vault disk/V --key-file disk/K --json
            """, in: place)
        #expect(ending.status == 8, "\(ending.complaints)")
        #expect(try Ending.object(ending.complaints)["error"] as? String == "read_only")
    }

    /// With the WAL and its index, as a killed process leaves them; with the WAL alone, as a copy has it; and with neither.
    @Test func `on a read-only file system a vault is read as it lies`() async throws {
        let place = try await Workplace.withVault()
        let ending = try await mounted(
            """
            tokenvault backup create --out b --keys-out k --json > made
            tokenvault user add alice --json > added
            tokenvault audit follow > followed & service=$!
            until [ -s followed ]; do sleep 0.05; done
            kill -9 $service; wait $service || true
            for state in index wal none; do
                mkdir $state && mount -t tmpfs -o size=32m,mode=700 none $state
                case $state in
                    index) cp V V-wal V-shm index/ ;;
                    wal) cp V V-wal wal/ ;;
                    none) tokenvault user list > users; cp V none/ ;;
                esac
                mount -o remount,ro $state
                doctor=0; tokenvault doctor --vault $state/V --json > found 2> told || doctor=$?
                log=$(grep -c '"check":"log.head","severity":"ok"' found || true)
                key=$(grep -c '"check":"log.signature","severity":"ok"' found || true)
                mode=$(grep -c '"check":"sqlite.settings","severity":"ok"' found || true)
                verify=0; tokenvault audit verify --vault $state/V --json > $state.verdict || verify=$?
                plan=0; tokenvault restore --plan --from b --keys k --log $state/V --vault N --json > plan || plan=$?
                echo $doctor $log $key $mode $verify $plan
            done
            restore=0; tokenvault restore --apply --from b --keys k --log wal/V --vault N --json > restored || restore=$?
            echo $restore
            tokenvault audit verify --vault wal/V > shown
            """, in: place)
        #expect(ending.output == String(repeating: "8 1 1 1 0 0\n", count: 3) + "0\n", "\(ending)")
        #expect(ending.complaints.contains("cannot be written, so its log has no entry"))
        let verdicts = try ["index", "wal", "none"].map { try Ending.object(place.text($0 + ".verdict")) }
        let sizes = verdicts.compactMap { $0["size"] as? Int }
        // 'user list' opened it once more.
        #expect(sizes.count == 3 && sizes[0] == sizes[1] && sizes[1] == sizes[2] - 1, "\(sizes)")
    }

    @Test(arguments: [
        ("tmpfs", "mount -t tmpfs -o mode=700 none disk"), ("ramfs", "mount -t ramfs -o mode=700 none disk"),
        (
            "overlay",
            """
            mkdir parts && mount -t tmpfs none parts && mkdir parts/lower parts/work && mkdir -m 700 parts/upper
            mount -t overlay -o lowerdir=parts/lower,upperdir=parts/upper,workdir=parts/work none disk
            """
        ),
    ])
    func `a vault that goes with its machine or container is warned of`(_ name: String, _ mount: String)
        async throws
    {
        let place = try await Workplace.withVault()
        let ending = try await mounted(
            """
            mkdir disk && \(mount)
            cp V K disk/
            tokenvault doctor --vault disk/V --json | grep '"check":"files.system"'
            """, in: place)
        let found = try ending.object()
        #expect(found["severity"] as? String == "warning", "\(ending)")
        #expect((found["what"] as? String)?.contains("(\(name))") == true, "\(found)")
        #expect((found["remedy"] as? String)?.isEmpty == false)
    }

    @Test func `a full disk is 8, loses nothing, and works again with space`() async throws {
        let place = try await Workplace.withVault()
        let ending = try await mounted(
            """
            mkdir disk && mount -t tmpfs -o size=8m none disk
            cp K disk/
            export TOKENVAULT_PATH=disk/V TOKENVAULT_KEY_FILE=disk/K
            tokenvault init --json > made
            tokenvault user add alice --json > added
            dd if=/dev/zero of=disk/fill bs=4k 2> /dev/null || true
            rm disk/V.ballast
            dd if=/dev/zero of=disk/fill2 bs=4k 2> /dev/null || true
            status=0; tokenvault user add bob --json 2> refusal || status=$?
            echo $status > status
            rm disk/fill disk/fill2
            tokenvault user add carol --json > more
            tokenvault user list --json > users
            tokenvault audit verify --json
            """, in: place)
        #expect(ending.status == 0, "\(ending.complaints)")
        #expect(try place.text("status") == "8\n")
        #expect(try Ending.object(place.text("refusal"))["error"] as? String == "out_of_space")
        let users = try place.text("users")
        #expect(users.contains("alice") && users.contains("carol") && !users.contains("bob"))
        #expect(try ending.object()["ok"] as? Bool == true)
    }

    @Test func `init on a full disk is 8 and leaves no half vault`() async throws {
        let place = try Workplace()
        let ending = try await mounted(
            """
            mkdir disk && mount -t tmpfs -o size=64k none disk
            status=0; tokenvault init --vault disk/V --key-file disk/K --create-key-file --json || status=$?
            ls disk > left
            exit $status
            """, in: place)
        #expect(ending.status == 8, "\(ending.complaints)")
        #expect(try Ending.object(ending.complaints)["error"] as? String == "out_of_space")
        // The lock by which makers of one vault take turns may stay; it is empty.
        #expect(["", "V.lock\n"].contains(try place.text("left")))
    }
}
