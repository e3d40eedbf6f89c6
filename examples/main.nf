// Upscale every OME-TIFF of a folder, and check each result against its record:
//   nextflow run examples/main.nf --images scans --results upscaled --model fluo-x2
// Add -with-docker superres to run in the image that the Containerfile makes.

params.images = 'images'
params.results = 'results'
params.model = 'auto'

process UPSCALE {
    cpus 2
    publishDir params.results, mode: 'copy'

    input:
    path image

    output:
    tuple path(image), path("upscaled/${image.name}"), path("upscaled/${image.name}.provenance.json")

    script:
    """
    mkdir upscaled
    OMP_NUM_THREADS=${task.cpus} superres upscale '${image}' -o 'upscaled/${image.name}' --model '${params.model}'
    """
}

process VERIFY {
    publishDir params.results, mode: 'copy'

    input:
    tuple path(image), path(result, stageAs: 'upscaled/*'), path(record, stageAs: 'upscaled/*')

    output:
    path "${image.name}.verified.txt"

    script:
    """
    superres verify '${result}' --input '${image}' > '${image.name}.verified.txt'
    """
}

workflow {
    channel.fromPath("${params.images}/*.ome.tif") | UPSCALE | VERIFY
}
