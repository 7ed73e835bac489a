import PagodaCLI
import Testing

@Suite("Command line")
struct CommandLineTests {
    @Test("options may be written with underscores, values stay as they are")
    func underscores() {
        let source = [
            "serve", "--host", "0.0.0.0", "--port", "8000", "--model", "/models/Qwen_7B", "--tensor_parallel_size", "2",
            "--max_num_seqs=256", "--served_model_name=my_model", "a_b", "--", "--not_an_option",
        ]
        #expect(
            Pagoda.normalized(source) == [
                "serve", "--host", "0.0.0.0", "--port", "8000", "--model", "/models/Qwen_7B", "--tensor-parallel-size",
                "2", "--max-num-seqs=256", "--served-model-name=my_model", "a_b", "--", "--not_an_option",
            ])
    }

    @Test(
        "sizes read as people write them",
        arguments: [
            ("0", 0), ("2048", 2048), ("4k", 4000), ("4K", 4096), ("1G", 1 << 30), ("2g", 2_000_000_000),
            ("25.6k", 25_600),
            ("1T", 1 << 40),
        ])
    func sizes(text: String, value: Int) {
        #expect(HumanCount(argument: text)?.value == value)
    }

    @Test(
        "what is no size is refused, and never overflows",
        arguments: [
            "", "k", "4X", "4.5", "4.5K", "99999999999T", "0x10", "1e400g", "nang", "- 1", "9223372036854775808",
        ])
    func wrongSizes(text: String) {
        #expect(HumanCount(argument: text) == nil)
    }
}
