"""What a Python program uses: `job` runs jobs, `options` are their settings. `uploader` names it all."""
