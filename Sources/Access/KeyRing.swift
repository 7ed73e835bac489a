// The keys that open the server.

/// Keys by their digests. A look-up goes through all of them, whichever fits.
public struct KeyRing: Sendable {
    public struct Key: Sendable {
        let digest: SecretDigest
        var principal: Principal
        /// Unix time from which it no longer counts; nil: never.
        var expiry: Double?

        init(digest: SecretDigest, principal: Principal, expiry: Double? = nil) {
            self.digest = digest
            self.principal = principal
            self.expiry = expiry
        }
    }

    private(set) var keys: [Key]

    init(_ keys: [Key] = []) {
        self.keys = keys
    }

    var isEmpty: Bool { keys.isEmpty }

    mutating func append(contentsOf other: KeyRing) {
        keys += other.keys
    }

    /// The principal whose key this is, unless it has expired.
    ///
    /// - Parameter now: Unix time.
    func principal(ofKey secret: [UInt8], now: Double) -> Principal? {
        let digest = SecretDigest(of: secret)
        var found: UInt = 0
        for (index, key) in keys.enumerated() {
            found |= key.digest.mask(ofEqualityWith: digest) & UInt(index + 1)
        }
        guard found > 0, found <= UInt(keys.count) else { return nil }
        let key = keys[Int(found) - 1]
        if let expiry = key.expiry, now >= expiry { return nil }
        return key.principal
    }
}
