import Kernels
import ModelFiles
import Models
import Testing

@Suite("Costs of a model")
struct ModelCostsTests {
    @Test(
        "costs follow from the configuration, tied embeddings or not",
        arguments: ["llama", "llama-tied-bf16-sharded"])
    func costs(name: String) throws {
        let checkpoint = try ModelCheckpoint.open(path: Golden.checkpoint(name))
        let model = checkpoint.configuration
        let costs = try PlainRunner(checkpoint, sequences: 1, length: 32).executor.costs
        let queries = model.headCount * model.headSize, keys = model.keyValueHeadCount * model.headSize
        let attention = (queries + 2 * keys) * model.hiddenSize + model.hiddenSize * queries
        let feedForward = 3 * model.intermediateSize * model.hiddenSize
        let parameters = model.layerCount * (attention + feedForward)
        #expect(costs.multiplyAddsPerRow == Double(parameters))
        #expect(costs.multiplyAddsPerLogitRow == Double(model.vocabularySize * model.hiddenSize))
        #expect(costs.multiplyAddsPerAttendedToken == Double(2 * model.layerCount * queries))
        // Packed rows are filled up to whole panels.
        #expect(costs.weightBytes >= Double(parameters) && costs.weightBytes <= Double(8 * parameters))
        #expect(costs.headBytes > 0)
        #expect(costs.cacheBytesPerToken > 0)
        #expect(costs.cacheBytesPerToken.truncatingRemainder(dividingBy: Double(2 * model.layerCount * keys)) == 0)
    }

    @Test("the machine's limits can be measured with any model's weights")
    func rates() throws {
        let checkpoint = try ModelCheckpoint.open(path: Golden.checkpoint("llama"))
        let rates = try PlainRunner(checkpoint, sequences: 1, length: 32).executor.measuredRates()
        #expect(rates.readBytesPerSecond > 0 && rates.readBytesPerSecond < .infinity)
        #if arch(x86_64)
            #expect((rates.multiplyAddsPerSecond > 0) == (InstructionSet.best != .portable))
        #endif
    }
}
