// The address at the other end of a socket. What a header says of it is never asked.

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

/// An IPv6 address, or an IPv4 address in its mapped form.
public struct PeerAddress: Sendable, Hashable {
    private let bytes: [UInt8]

    /// - Parameter text: As the system writes it: `192.0.2.1`, `2001:db8::1`. Nil for anything else.
    public init?(_ text: String) {
        var six = [UInt8](repeating: 0, count: 16)
        if inet_pton(AF_INET6, text, &six) == 1 {
            bytes = six
            return
        }
        var four = [UInt8](repeating: 0, count: 4)
        guard inet_pton(AF_INET, text, &four) == 1 else { return nil }
        bytes = Self.mappedPrefix + four
    }

    private static let mappedPrefix: [UInt8] = Array(repeating: 0, count: 10) + [0xFF, 0xFF]

    var isIPv4: Bool { bytes.starts(with: Self.mappedPrefix) }

    /// Those who share it are taken for one: a /24 of IPv4, a /64 of IPv6.
    var neighbourhood: [UInt8] { Array(bytes.prefix(isIPv4 ? 15 : 8)) }

    fileprivate func isSame(as other: PeerAddress, bits: Int) -> Bool {
        let whole = bits / 8
        guard bytes.prefix(whole) == other.bytes.prefix(whole) else { return false }
        guard bits % 8 > 0 else { return true }
        return (bytes[whole] ^ other.bytes[whole]) >> (8 - bits % 8) == 0
    }
}

/// A range of addresses: `10.0.0.0/8`, `2001:db8::/32`, or a single one.
public struct AddressRange: Sendable, Equatable {
    private let address: PeerAddress
    private let bits: Int

    public init?(_ text: String) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        guard let address = PeerAddress(parts[0]) else { return nil }
        let width = address.isIPv4 ? 32 : 128
        guard let bits = parts.count == 2 ? Int(parts[1]) : width, (0...width).contains(bits) else { return nil }
        self.address = address
        self.bits = bits + 128 - width
    }

    public func contains(_ other: PeerAddress) -> Bool {
        address.isSame(as: other, bits: bits)
    }
}
