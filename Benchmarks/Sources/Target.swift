/// A figure the vault is meant to reach, and what it is compared with.
struct Target {
    let name: String
    let bound: String
    let reached: (Report) -> Double?
    private let limit: Double
    private let isCeiling: Bool

    func isMet(by value: Double) -> Bool { isCeiling ? value < limit : value >= limit }

    static func all(sizes: [Int]) -> [Target] {
        guard let small = sizes.min(), let large = sizes.max() else {
            return [
                floor("accessToken/s, valid, one thread", 200_000) {
                    $0.median(.keeper("accessToken/s, valid, one thread"))
                }
            ]
        }
        var targets = sizes.flatMap { size in
            [
                floor("64 callers / 1 caller, \(size) grants", 6) {
                    $0.ratio(.swaps(grants: size, callers: 64), .swaps(grants: size, callers: 1))
                },
                floor("64 callers / bare loop in batches of 64, \(size) grants", 0.6) {
                    $0.ratio(.swaps(grants: size, callers: 64), .bound(grants: size, batch: 64))
                },
                floor("validations/s on one thread, \(size) grants", 100_000) {
                    $0.median(.validations(grants: size, threads: 1))
                },
                floor("owners/s of a root key's rotation, \(size) grants", 20_000) {
                    $0.median(.rewrapped(grants: size))
                },
                floor("swaps/s while rotating / before, \(size) grants", 0.7) {
                    $0.ratio(.swapsWhileRotating(grants: size), .swapsAlone(grants: size))
                },
                floor("entries verified/s, \(size) grants", 200_000) { $0.median(.verified(grants: size)) },
            ]
        }
        if small != large {
            targets.append(
                floor("\(large) grants / \(small) grants, 64 callers", 0.6) {
                    $0.ratio(.swaps(grants: large, callers: 64), .swaps(grants: small, callers: 64))
                })
        }
        targets.append(
            floor("HTTP refresh / empty handler, 64 connections", 0.4) {
                $0.ratio(.http(.refresh, connections: 64), .http(.empty, connections: 64))
            })
        targets.append(
            floor("HTTP refresh / empty handler with the same requests, 64 connections", 0.4) {
                $0.ratio(.http(.refresh, connections: 64), .http(.sameRequests, connections: 64))
            })
        targets.append(
            Target(
                name: "MiB of serve under load", bound: "< 150", reached: { $0.median(.serverMemory) },
                limit: 150,
                isCeiling: true))
        return targets
    }

    private static func floor(_ name: String, _ limit: Double, _ reached: @escaping (Report) -> Double?)
        -> Target
    {
        Target(
            name: name, bound: limit < 1000 ? "≥ \(limit)" : "≥ \(Int(limit))", reached: reached,
            limit: limit,
            isCeiling: false)
    }
}
