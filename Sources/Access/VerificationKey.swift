// Public keys of issuers, as JSON Web Keys (RFC 7517) describe them, and what they verify.

internal import Crypto
internal import CryptoExtras
internal import JSON

/// A key that signatures are checked with, and the algorithms it may be used for: what a token's header says can't
/// make another use of it.
struct VerificationKey: Sendable {
    private enum Material: Sendable {
        case secret(SymmetricKey)
        case rsa(_RSA.Signing.PublicKey)
        case p256(P256.Signing.PublicKey)
        case p384(P384.Signing.PublicKey)
        case ed25519(Curve25519.Signing.PublicKey)
    }

    let id: String?
    let algorithms: Set<TokenAlgorithm>
    private let material: Material

    /// - Parameter secret: Shared with the issuer.
    init(secret: [UInt8], algorithms: Set<TokenAlgorithm>) {
        id = nil
        self.algorithms = algorithms.filter(\.isSymmetric)
        material = .secret(SymmetricKey(data: secret))
    }

    /// Nil for keys that are for something else, of a kind that is not known here, weak, or not on their curve. A
    /// secret has no place in a set of public keys.
    init?(json: JSONValue) {
        if let use = json["use"], use.stringValue != "sig" { return nil }
        if let operations = json["key_ops"] {
            guard operations.arrayValue?.contains(where: { $0.stringValue == "verify" }) == true else { return nil }
        }
        let fitting: Set<TokenAlgorithm>
        switch (json["kty"]?.stringValue, json["crv"]?.stringValue) {
        case ("RSA", nil):
            guard let key = Self.rsa(json) else { return nil }
            material = .rsa(key)
            fitting = [.rs256, .ps256]
        case ("EC", "P-256"):
            guard let point = Self.point(json, bytes: 32),
                let key = try? P256.Signing.PublicKey(rawRepresentation: point)
            else { return nil }
            material = .p256(key)
            fitting = [.es256]
        case ("EC", "P-384"):
            guard let point = Self.point(json, bytes: 48),
                let key = try? P384.Signing.PublicKey(rawRepresentation: point)
            else { return nil }
            material = .p384(key)
            fitting = [.es384]
        case ("OKP", "Ed25519"):
            guard let x = Self.bytes(json["x"]), x.count == 32,
                let key = try? Curve25519.Signing.PublicKey(rawRepresentation: x)
            else { return nil }
            material = .ed25519(key)
            fitting = [.edDSA]
        default: return nil
        }
        id = json["kid"]?.stringValue
        guard let algorithm = json["alg"] else {
            algorithms = fitting
            return
        }
        algorithms = fitting.filter { $0.rawValue == algorithm.stringValue }
        if algorithms.isEmpty { return nil }
    }

    private static func bytes(_ value: JSONValue?) -> [UInt8]? {
        value?.stringValue.flatMap { Base64.decode($0.utf8, alphabet: .url) }
    }

    private static func point(_ json: JSONValue, bytes count: Int) -> [UInt8]? {
        guard let x = bytes(json["x"]), let y = bytes(json["y"]), x.count == count, y.count == count else { return nil }
        return x + y
    }

    /// 2048 to 8192 bits: fewer can be broken, more cost too much to check.
    private static func rsa(_ json: JSONValue) -> _RSA.Signing.PublicKey? {
        guard let modulus = bytes(json["n"])?.drop(while: { $0 == 0 }), (256...1024).contains(modulus.count),
            let exponent = bytes(json["e"])?.drop(while: { $0 == 0 }), (1...4).contains(exponent.count),
            let last = exponent.last, last % 2 == 1, exponent.count > 1 || last >= 3
        else { return nil }
        return try? _RSA.Signing.PublicKey(n: Array(modulus), e: Array(exponent))
    }

    /// - Parameter algorithm: One of `algorithms`; no other verifies anything.
    func isValid(signature: [UInt8], of message: [UInt8], _ algorithm: TokenAlgorithm) -> Bool {
        guard algorithms.contains(algorithm) else { return false }
        switch (material, algorithm) {
        case (.secret(let key), .hs256):
            return HMAC<SHA256>.isValidAuthenticationCode(signature, authenticating: message, using: key)
        case (.secret(let key), .hs384):
            return HMAC<SHA384>.isValidAuthenticationCode(signature, authenticating: message, using: key)
        case (.secret(let key), .hs512):
            return HMAC<SHA512>.isValidAuthenticationCode(signature, authenticating: message, using: key)
        case (.rsa(let key), .rs256), (.rsa(let key), .ps256):
            return key.isValidSignature(
                _RSA.Signing.RSASignature(rawRepresentation: signature), for: SHA256.hash(data: message),
                padding: algorithm == .ps256 ? .PSS : .insecurePKCS1v1_5)
        case (.p256(let key), .es256):
            guard let signature = try? P256.Signing.ECDSASignature(rawRepresentation: signature) else { return false }
            return key.isValidSignature(signature, for: message)
        case (.p384(let key), .es384):
            guard let signature = try? P384.Signing.ECDSASignature(rawRepresentation: signature) else { return false }
            return key.isValidSignature(signature, for: message)
        case (.ed25519(let key), .edDSA):
            return key.isValidSignature(signature, for: message)
        default: return false
        }
    }

    /// The keys of a set (RFC 7517, 5) that can be used; nil if it is no set.
    static func keys(ofSet bytes: [UInt8]) -> [VerificationKey]? {
        let limits = JSONLimits(depth: 8, valueCount: 10_000, sizeBytes: 256 << 10, rejectsDuplicateKeys: true)
        guard let set = try? JSONParser.parse(bytes, limits: limits), let keys = set["keys"]?.arrayValue,
            keys.count <= 100
        else { return nil }
        return keys.compactMap { VerificationKey(json: $0) }
    }
}
