// From what people write to where the files are.

internal import Hub
internal import ModelFiles

/// A model that is on this machine.
struct LocatedModel {
    /// As it was written.
    let reference: String
    /// A GGUF file or a folder.
    let path: String

    /// The reference's last component, for display.
    var name: String { reference.split(separator: "/").last.map { String($0) } ?? reference }

    /// Opens it.
    func checkpoint() throws(ModelFileError) -> ModelCheckpoint {
        try ModelCheckpoint.open(path: path, name: name)
    }

    /// What is at a path wins over a Hub id of the same spelling; a Hub id is downloaded.
    ///
    /// - Parameter meter: Made for a model that comes from the Hub, and told how far it is.
    static func find(
        _ reference: String, revision: String?, cacheFolder: String?,
        meter: (String) -> DownloadMeter = DownloadMeter.console
    ) async throws -> LocatedModel {
        guard !ModelCheckpoint.exists(atPath: reference), let model = HubReference(reference) else {
            guard revision == nil else {
                throw CommandError.invalidOption(
                    name: "revision", value: revision ?? "", allowed: "only with a model of the Hub, ORG/NAME")
            }
            return LocatedModel(reference: reference, path: reference)
        }
        let configuration = try HubConfiguration(cacheFolder: cacheFolder, environment: environmentVariable)
        let meter = meter(reference)
        let snapshot = try await HubDownloader(configuration).snapshot(of: model, revision: revision ?? "main") {
            meter.report($0)
        }
        return LocatedModel(reference: reference, path: snapshot.modelPath)
    }
}

extension ModelOptions {
    /// Where the model is, which may take a download.
    func locate(meter: (String) -> DownloadMeter = DownloadMeter.console) async throws -> LocatedModel {
        try await LocatedModel.find(
            try reference(), revision: revision, cacheFolder: downloadDir, meter: meter)
    }
}
