package org.masklens.app;

import android.Manifest;
import android.app.Activity;
import android.app.AlertDialog;
import android.content.DialogInterface;
import android.content.Intent;
import android.content.pm.PackageManager;
import android.net.Uri;
import android.provider.Settings;
import android.webkit.PermissionRequest;
import java.util.Arrays;

/**
 * Decides whether the page gets the camera: only the app's own page, only pictures and no sound, and
 * only if the person allows it. Every request is answered once, granted or denied.
 */
final class CameraGate {
    static final int REQUEST = 1;

    private final Activity activity;
    private PermissionRequest waiting;
    private boolean asking;
    private boolean offered;

    CameraGate(Activity activity) {
        this.activity = activity;
    }

    /** The page asks. */
    void ask(PermissionRequest request) {
        boolean camera = Arrays.asList(request.getResources()).contains(PermissionRequest.RESOURCE_VIDEO_CAPTURE);
        if (!camera || !AssetRouter.isOurs(String.valueOf(request.getOrigin()))) {
            request.deny();
            return;
        }
        if (isAllowed()) {
            grant(request);
            return;
        }
        close();
        waiting = request;
        if (asking) return; // Android answers a second question with "no" while the first is open
        asking = true;
        activity.requestPermissions(new String[] {Manifest.permission.CAMERA}, REQUEST);
    }

    /** The page no longer wants it. */
    void cancel(PermissionRequest request) {
        if (request == waiting) waiting = null;
    }

    /** The person has answered; no results mean that something took the question from the screen. */
    void answered(int[] results) {
        asking = false;
        if (isAllowed() && waiting != null) grant(waiting);
        else if (waiting != null) waiting.deny();
        waiting = null;
        // Android does not ask again after a second "no": only the settings help then.
        boolean asksAgain = activity.shouldShowRequestPermissionRationale(Manifest.permission.CAMERA);
        if (isAllowed() || results.length == 0 || asksAgain || offered) return;
        offered = true; // once: who comes back from there without a yes has answered
        offerSettings();
    }

    /** The page goes away. */
    void close() {
        if (waiting != null) waiting.deny();
        waiting = null;
    }

    private boolean isAllowed() {
        return activity.checkSelfPermission(Manifest.permission.CAMERA) == PackageManager.PERMISSION_GRANTED;
    }

    private static void grant(PermissionRequest request) {
        // Not request.getResources(): that could hold more than the camera.
        request.grant(new String[] {PermissionRequest.RESOURCE_VIDEO_CAPTURE});
    }

    private void offerSettings() {
        new AlertDialog.Builder(activity)
                .setTitle(R.string.camera_title)
                .setMessage(R.string.camera_text)
                .setNegativeButton(R.string.camera_later, null)
                .setPositiveButton(
                        R.string.camera_settings,
                        new DialogInterface.OnClickListener() {
                            @Override
                            public void onClick(DialogInterface dialog, int button) {
                                Uri app = Uri.fromParts("package", activity.getPackageName(), null);
                                activity.startActivity(new Intent(Settings.ACTION_APPLICATION_DETAILS_SETTINGS, app));
                            }
                        })
                .show();
    }
}
