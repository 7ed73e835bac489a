// Tokens as an issuer makes them, and as an attacker would like them to be.

internal import Crypto
internal import CryptoExtras

/// Has a key of each kind, and a secret.
public struct TokenIssuer: Sendable {
    public enum Signature: Sendable, CaseIterable {
        case rs256, ps256, es256, edDSA, hs256
        /// `alg` is `none`, and there is nothing where the signature would be.
        case none
        /// HS256 with the public RSA key as the secret: what a checker that trusts `alg` would take for right.
        case confusedKey
    }

    public let secret = Array("0123456789abcdef0123456789abcdef-shared".utf8)
    private let rsa: _RSA.Signing.PrivateKey
    private let p256 = P256.Signing.PrivateKey()
    private let ed25519 = Curve25519.Signing.PrivateKey()

    public init() throws {
        rsa = try _RSA.Signing.PrivateKey(keySize: .bits2048)
    }

    /// The public keys, as they are published.
    public var keySet: String {
        get throws {
            let numbers = try rsa.publicKey.getKeyPrimitives()
            let point = Array(p256.publicKey.rawRepresentation)
            return """
                {"keys": [
                  {"kty": "RSA", "kid": "rsa", "use": "sig", "n": "\(Self.encoded(Array(numbers.modulus)))",
                   "e": "\(Self.encoded(Array(numbers.publicExponent)))"},
                  {"kty": "EC", "kid": "ec", "crv": "P-256", "x": "\(Self.encoded(Array(point[..<32])))",
                   "y": "\(Self.encoded(Array(point[32...])))"},
                  {"kty": "OKP", "kid": "ed", "crv": "Ed25519", "alg": "EdDSA",
                   "x": "\(Self.encoded(Array(ed25519.publicKey.rawRepresentation)))"},
                  {"kty": "oct", "kid": "secret", "k": "\(Self.encoded(secret))"}
                ]}
                """
        }
    }

    /// - Parameters:
    ///   - claims: As JSON.
    ///   - header: As JSON; nil: what belongs to the signature.
    public func token(
        _ claims: String, signed signature: Signature = .es256, header: String? = nil
    ) throws -> String {
        let head = Self.encoded(Array((header ?? Self.header(signature)).utf8))
        let message = head + "." + Self.encoded(Array(claims.utf8))
        return message + "." + Self.encoded(try sign(Array(message.utf8), signature))
    }

    private static func header(_ signature: Signature) -> String {
        switch signature {
        case .rs256: #"{"alg":"RS256","kid":"rsa","typ":"JWT"}"#
        case .ps256: #"{"alg":"PS256","kid":"rsa"}"#
        case .es256: #"{"alg":"ES256","kid":"ec","typ":"at+jwt"}"#
        case .edDSA: #"{"alg":"EdDSA","kid":"ed"}"#
        case .hs256: #"{"alg":"HS256","typ":"JWT"}"#
        case .none: #"{"alg":"none","typ":"JWT"}"#
        case .confusedKey: #"{"alg":"HS256","kid":"rsa","typ":"JWT"}"#
        }
    }

    private func sign(_ message: [UInt8], _ signature: Signature) throws -> [UInt8] {
        switch signature {
        case .rs256:
            let made = try rsa.signature(for: SHA256.hash(data: message), padding: .insecurePKCS1v1_5)
            return Array(made.rawRepresentation)
        case .ps256: return Array(try rsa.signature(for: SHA256.hash(data: message), padding: .PSS).rawRepresentation)
        case .es256: return Array(try p256.signature(for: message).rawRepresentation)
        case .edDSA: return Array(try ed25519.signature(for: message))
        case .hs256:
            return Array(HMAC<SHA256>.authenticationCode(for: message, using: SymmetricKey(data: secret)))
        case .none: return []
        case .confusedKey:
            let key = SymmetricKey(data: Array(rsa.publicKey.pemRepresentation.utf8))
            return Array(HMAC<SHA256>.authenticationCode(for: message, using: key))
        }
    }

    /// Base64 for URLs, without padding.
    public static func encoded(_ bytes: [UInt8]) -> String {
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)
        var text: [UInt8] = []
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let group = bytes[start..<min(start + 3, bytes.count)]
            let bits = (0..<3).reduce(UInt32(0)) { sum, offset in
                sum << 8 | (start + offset < group.endIndex ? UInt32(group[start + offset]) : 0)
            }
            for digit in 0...group.count { text.append(alphabet[Int(bits >> UInt32(18 - 6 * digit)) & 63]) }
        }
        return String(decoding: text, as: UTF8.self)
    }
}
