import PagodaCLI

await Pagoda.run()
