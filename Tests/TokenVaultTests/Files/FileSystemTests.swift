import Testing
import TokenVault
import VaultCustody

/// Numbers of linux/magic.h, where most cannot be mounted in a test.
@Suite struct `File systems that a vault does not belong on` {
    @Test(arguments: [
        (0x0102_1994, "tmpfs", FileSystem.Danger.vanishes), (0x8584_58F6, "ramfs", .vanishes),
        (0x794C_7630, "overlay", .isLayer), (0x6969, "NFS", .isRemote), (0xFF53_4D42, "CIFS", .isRemote),
        (0xFE53_4D42, "SMB", .isRemote), (0x0102_1997, "9P", .isRemote), (0x6573_5546, "FUSE", .isRemote),
        (0x00C3_6400, "Ceph", .isRemote),
    ])
    func `are known by their numbers`(_ magic: UInt32, _ name: String, _ danger: FileSystem.Danger) {
        let found = FileSystem(magic: magic)
        #expect(found?.name == name && found?.danger == danger)
    }

    /// ext4, XFS, Btrfs, ZFS, F2FS.
    @Test(arguments: [0xEF53, 0x5846_5342, 0x9123_683E, 0x2FC1_2FC1, 0xF2F5_2010] as [UInt32])
    func `disks are not among them`(_ magic: UInt32) { #expect(FileSystem(magic: magic) == nil) }
}
