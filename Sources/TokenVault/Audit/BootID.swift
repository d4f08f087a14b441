import Foundation
import VaultCrypto
import VaultCore

/// Names this boot of this machine, so that monotonic times of two leaves can be told comparable or not.
enum BootID {
    /// 32 hexadecimal digits: the kernel's own identifier, or random ones for this process.
    static let current: String = {
        let path = "/proc/sys/kernel/random/boot_id"
        if let text = try? String(contentsOfFile: path, encoding: .utf8) {
            let digits = text.lowercased().filter(\.isHexDigit)
            if digits.count == 32 { return digits }
        }
        return Hex.encode(SystemRandom().bytes(16))
    }()
}
