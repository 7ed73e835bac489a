// What an `Authorization` header holds.

enum Credential {
    case bearer([UInt8])
    case basic(PasswordFile.Attempt)

    /// Nil: neither of the two schemes, or not well formed.
    ///
    /// - Parameter longest: In bytes.
    init?(header: String, longest: Int) {
        guard header.utf8.count <= longest, let blank = header.utf8.firstIndex(of: UInt8(ascii: " ")) else {
            return nil
        }
        let value = Array(header.utf8[header.utf8.index(after: blank)...].drop { $0 == UInt8(ascii: " ") })
        guard !value.isEmpty, value.allSatisfy({ (0x21...0x7E).contains($0) }) else { return nil }
        switch header[..<blank].lowercased() {
        case "bearer": self = .bearer(value)
        case "basic":
            guard let decoded = Base64.decode(value, alphabet: .standard),
                let colon = decoded.firstIndex(of: UInt8(ascii: ":")),
                let user = String(validating: decoded[..<colon], as: UTF8.self), Principal.isValidName(user)
            else { return nil }
            let password = Array(decoded[(colon + 1)...])
            // It is handed to C as a string.
            guard String(validating: password, as: UTF8.self) != nil, !password.contains(0) else { return nil }
            self = .basic(PasswordFile.Attempt(user: user, password: password))
        default: return nil
        }
    }
}
