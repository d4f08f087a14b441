/// A kind of file system on which a vault does not last, or is not safe from a second process.
package struct FileSystem: Sendable {
    package enum Danger: Sendable {
        /// It is gone when the machine or its container stops.
        case vanishes
        /// It belongs to one container, and goes with it.
        case isLayer
        /// Machines share it, or a program serves it: locks and `fsync` may mean little.
        case isRemote
    }

    package let name: String
    package let danger: Danger

    /// - Parameter magic: `f_type` of statfs(2).
    /// - Returns: nil where nothing speaks against it.
    package init?(magic: UInt32) {
        guard let (name, danger) = Self.known[magic] else { return nil }
        self.name = name
        self.danger = danger
    }

    func check(_ id: String) -> DoctorCheck {
        switch danger {
        case .vanishes:
            .warning(
                id, "The vault is in memory (\(name)): it is lost when the machine or container stops.",
                "Make a backup now, and restore it on a disk.")
        case .isLayer:
            .warning(
                id,
                "The vault may be in a container's own layer (\(name)), which is removed with the container.",
                "Mount a volume and move the vault there (docs/containers.md).")
        case .isRemote:
            .warning(
                id, "The vault is on \(name): locks may not hold and fsync may not reach a disk there.",
                "Stop the processes that use the vault, and move it to a local disk.")
        }
    }

    /// linux/magic.h, and the sources of those that it does not list.
    private static let known: [UInt32: (String, Danger)] = [
        0x0102_1994: ("tmpfs", .vanishes), 0x8584_58F6: ("ramfs", .vanishes),
        0x794C_7630: ("overlay", .isLayer), 0x6175_6673: ("aufs", .isLayer),
        0x6969: ("NFS", .isRemote), 0x517B: ("SMB", .isRemote), 0xFF53_4D42: ("CIFS", .isRemote),
        0xFE53_4D42: ("SMB", .isRemote), 0x0102_1997: ("9P", .isRemote), 0x6573_5546: ("FUSE", .isRemote),
        0x00C3_6400: ("Ceph", .isRemote), 0x5346_414F: ("AFS", .isRemote), 0x0BD0_0BD0: ("Lustre", .isRemote),
    ]
}
