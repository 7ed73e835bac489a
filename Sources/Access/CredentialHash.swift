// What stands in the files instead of keys and passwords.

internal import CPlatform

public enum CredentialHash {
    /// A key may be made up by anyone who can make up 128 random bits.
    public static let shortestKey = 16
    public static let longestPassword = PasswordFile.longestPassword

    /// For `hash` in a file of keys.
    public static func key(_ key: String) -> String {
        KeyFile.hash(ofKey: Array(key.utf8))
    }

    /// A new key: `pg-` and 256 random bits.
    public static func newKey() -> String {
        let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789".utf8)
        var random = SystemRandomNumberGenerator()
        return "pg-" + String(decoding: (0..<43).map { _ in digits.randomElement(using: &random) ?? 0 }, as: UTF8.self)
    }

    /// For `basic_auth_users`; nil if the system could not make one.
    ///
    /// - Parameter cost: The binary logarithm of bcrypt's rounds.
    public static func password(_ password: String, cost: Int = 10) -> String? {
        guard !password.isEmpty, password.utf8.count <= longestPassword, !password.utf8.contains(0) else { return nil }
        var target = [CChar](repeating: 0, count: 128)
        let count = pg_password_hash(password, Int32(min(max(cost, 4), 15)), &target, target.count)
        guard count > 0 else { return nil }
        return String(decoding: target.prefix(Int(count)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
