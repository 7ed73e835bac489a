import AccessTesting
import NIOSSL

extension TestCertificates {
    /// A client's that trusts the authority, with a certificate of its own if one is named.
    func client(certificate name: String? = nil) throws -> NIOSSLContext {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.trustRoots = .file(path("authority.pem"))
        if let name {
            configuration.certificateChain = try NIOSSLCertificate.fromPEMFile(path("\(name).pem"))
                .map { .certificate($0) }
            configuration.privateKey = .privateKey(try NIOSSLPrivateKey(file: path("\(name).key"), format: .pem))
        }
        return try NIOSSLContext(configuration: configuration)
    }
}
